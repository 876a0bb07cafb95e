"""Which operators of PyTorch's database are tried, and how: lane by lane, or along an axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import BinaryUfuncInfo, OpInfo, ReductionOpInfo, SampleInput, UnaryUfuncInfo

DTYPES = (
    torch.float32, torch.float16, torch.bfloat16, torch.int32, torch.int64, torch.uint8, torch.bool,
)  # fmt: skip

ELEMENTWISE = frozenset(
    (
        "addcmul", "addcdiv", "clamp", "logaddexp2", "masked_fill", "where", "lerp", "clone", "contiguous", "to",
        "zeros_like", "ones_like", "full_like", "nn.functional.hardswish", "nn.functional.leaky_relu",
        "nn.functional.gelu", "nn.functional.smooth_l1_loss", "nn.functional.l1_loss", "nn.functional.mse_loss",
        "nn.functional.huber_loss", "nn.functional.binary_cross_entropy",
        "nn.functional.binary_cross_entropy_with_logits", "nn.functional.soft_margin_loss", "nn.functional.kl_div",
        "nn.functional.poisson_nll_loss", "nn.functional.hinge_embedding_loss", "nn.functional.margin_ranking_loss",
        "nn.functional.gaussian_nll_loss",
    )
)  # fmt: skip
"""Operators of the database that work lane by lane and that it does not class as unary or binary."""

ALONG_AXIS = {
    "softmax": 0, "log_softmax": 0, "nn.functional.softmin": 0, "torch.ops.aten._safe_softmax.default": 0,
    "cumsum": 0, "cumprod": 0, "max.reduction_with_dim": 0, "min.reduction_with_dim": 0, "logsumexp": 0,
    "var_mean": 0, "std_mean": 0, "aminmax": 0, "norm": 1, "linalg.vector_norm": 1, "masked.norm": 1,
    "masked.softmax": 0, "masked.log_softmax": 0, "masked.softmin": 0, "masked.cumsum": 0, "masked.cumprod": 0,
    "softmax.with_dtype": 0, "log_softmax.with_dtype": 0, "nn.functional.softmin.with_dtype": 0,
    "linalg.vecdot": 1, "masked.normalize": 1, "var_mean.unbiased": 0, "std_mean.unbiased": 0, "norm.inf": 1,
    "nn.functional.cosine_similarity": 1, "flip": 0, "dist": 9, "nn.functional.normalize": 1,
    "max.reduction_no_dim": 9, "min.reduction_no_dim": 9, "inner": 9, "dot": 9, "vdot": 9,
}  # fmt: skip
"""Operators along an axis: the position of `dim` among the arguments behind the input (of reductions: 0)."""

_NOT_A_TILE = {
    "complex": "complex numbers", "polar": "complex numbers", "cdouble": "complex numbers", "cfloat": "complex numbers",
    "chalf": "complex numbers", "imag": "complex numbers", "nn.functional.silu.complex": "complex numbers",
    "jiterator_unary": "CUDA source of its own", "jiterator_binary": "CUDA source of its own",
    "jiterator_binary_return_by_ref": "CUDA source of its own", "nn.functional.rrelu": "random",
}  # fmt: skip
"""What the database classes as unary or binary, and a tile cannot have: complex numbers, random slopes."""

COMBINES: Mapping[str, Callable[..., Any]] = {
    "sum": torch.add, "nansum": torch.add, "count_nonzero": torch.add, "prod": torch.mul, "amax": torch.maximum,
    "amin": torch.minimum, "all": torch.minimum, "any": torch.maximum,
}  # fmt: skip
"""What makes one result of those of two parts."""


@dataclass(frozen=True)
class Operator:
    """An entry of the database."""

    name: str
    info: OpInfo
    kind: str
    """`lanes`: each result depends on the elements at its place; `axis`: on those along an axis."""

    def dtypes(self, device: str) -> list[torch.dtype]:
        """Those of `DTYPES` that PyTorch's operator takes on a device."""
        supported = self.info.supported_dtypes(device)
        return [dtype for dtype in DTYPES if dtype in supported]

    def samples(self, device: str, dtype: torch.dtype, *, reference: bool = False) -> list[SampleInput]:
        """The database's sample inputs, repeatable; `reference`: those with large, small and special values, too."""
        torch.manual_seed(0)
        make = self.info.reference_inputs if reference else self.info.sample_inputs
        return list(make(device, dtype, requires_grad=False))


def name_of(info: OpInfo) -> str:
    """Name and variant of an entry."""
    return f"{info.name}.{info.variant_test_name}" if info.variant_test_name else info.name


def _kind(info: OpInfo) -> str | None:
    name = name_of(info)
    if name in _NOT_A_TILE:
        return None
    if isinstance(info, UnaryUfuncInfo | BinaryUfuncInfo) or name in ELEMENTWISE:
        return "lanes"
    return "axis" if isinstance(info, ReductionOpInfo) or name in ALONG_AXIS else None


def operators() -> dict[str, Operator]:
    """The operators to try, by name."""
    found = ((name_of(info), info, _kind(info)) for info in op_db)
    return {name: Operator(name, info, kind) for name, info, kind in found if kind is not None}
