"""Tensors that stand for the user's while a kernel is traced; no data behind any of them.

They live on the CPU for PyTorch's C++ (which would initialize another device) and report the user's device to
Python. Sizes may be `SymInt`s with the nodes of `symbols.nodes`.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch
from xdsl.ir import SSAValue

from .. import exc
from ..dialects.dims import Dim

CPU = torch.device("cpu")


class EveryLane:
    """Placeholder for the tile of an axis all of whose lanes are valid, as of `hl.zeros([block])`."""

    def __repr__(self) -> str:
        return "EVERY_LANE"


EVERY_LANE = EveryLane()


@dataclass(frozen=True, eq=False)
class MergedTiles:
    """The tiles of the axes that one axis was merged of, outermost first, and their dims."""

    dims: tuple[Dim, ...]
    tiles: tuple[AxisTile, ...]


AxisTile: TypeAlias = SSAValue | EveryLane | MergedTiles | None
"""Which lanes of an axis are valid: those of a tile, or all; None where that was lost on the way, or goes unsaid."""


class TracedTensor(torch.Tensor):
    """Base of host and device tensors."""

    user_device: torch.device
    hook: ClassVar[Any] = None  # the trace's DispatchHook: sees operators that a lowering calls

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.user_device

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return self.user_device.type == "cuda"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "prim":
            return CPU
        if TracedTensor.hook is not None:
            return TracedTensor.hook.__torch_dispatch__(func, types, args, kwargs)
        raise exc.NotInsideKernel(f"{func} on a tensor of a kernel that is not being traced any more")

    def __repr__(self, **_: object) -> str:  # type: ignore[override]
        return f"a {self.dtype} tensor of shape [{', '.join(map(str, self.shape))}]"


class HostTensor(TracedTensor):
    """A tensor of the host function; `meta_tensor` is the meta tensor that computes its shape.

    `detached`: it came through `.detach()` or `.data`, so autograd does not see what is written into it.
    """

    meta_tensor: torch.Tensor
    detached: bool

    @staticmethod
    def make(inner: torch.Tensor, device: torch.device) -> HostTensor:
        result = torch.Tensor._make_wrapper_subclass(
            HostTensor, inner.size(), strides=inner.stride(), storage_offset=0, dtype=inner.dtype, device=CPU,
            storage_size=0,
        )  # fmt: skip
        assert isinstance(result, HostTensor)
        result.meta_tensor = inner
        result.detached = False
        result.user_device = device
        return result


_NO_VIEWS: list[Any] = []
_STRIDES = [tuple(1 << (4 * (rank - 1 - i)) for i in range(rank)) for rank in range(16)]


class DeviceTensor(TracedTensor):
    """A value of the kernel: `ssa` computes it.

    `tiles` has for each axis the tile that says which of its lanes are valid.
    `reduced` marks values that a reduction took an axis from: they never align by tile identity. `is_view`
    marks results that share memory with another tensor in PyTorch. `may_alias` names variables that are the same
    tensor on some path of control flow.
    """

    ssa: SSAValue
    tiles: tuple[AxisTile, ...]
    reduced: bool
    is_view: bool
    may_alias: str | None
    viewed_from: DeviceTensor | None
    views: list[weakref.ref[DeviceTensor]]

    @staticmethod
    def make(
        ssa: SSAValue,
        sizes: Sequence[int | torch.SymInt],
        dtype: torch.dtype,
        device: torch.device,
        tiles: tuple[AxisTile, ...],
        reduced: bool = False,
    ) -> DeviceTensor:
        result = torch.Tensor._make_wrapper_subclass(
            DeviceTensor, sizes, strides=_STRIDES[len(sizes)], dtype=dtype, device=CPU, storage_size=0
        )
        assert isinstance(result, DeviceTensor)
        result.ssa = ssa
        result.tiles = tiles
        result.reduced = reduced
        result.is_view = False
        result.may_alias = None
        result.viewed_from, result.views = None, _NO_VIEWS
        result.user_device = device
        return result

    def view_of(self, base: DeviceTensor) -> DeviceTensor:
        """Note that this shares memory with `base` in PyTorch; returns this."""
        root = base if base.viewed_from is None else base.viewed_from
        self.is_view, self.viewed_from = True, root
        root.views = [*root.views, weakref.ref(self)]
        return self

    @property
    def is_viewed(self) -> bool:
        """Whether a tensor that shares memory with this one is still alive."""
        return any(view() is not None for view in self.views)
