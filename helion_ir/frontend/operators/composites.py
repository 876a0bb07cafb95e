"""Functions that PyTorch decomposes not at all, or by the strides and plain sizes that device values lack."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import torch
import torch.nn._reduction
import torch.nn.functional as F

from ... import exc
from ...dialects.dims import dims_of
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .pointwise import ADD, MUL, pointwise
from .products import matmul
from .table import HALVES, aten, device_tensor, lowers, lowers_function
from .views import reshaped, unsqueeze


@lowers(aten.size.default)
def size(tracer: Tracer, x: Any) -> list[int]:
    """The sizes as plain ints, which code of PyTorch's in C++ asks for."""
    if all(isinstance(each, int) for each in x.shape):
        return list(x.shape)
    raise exc.InductorLoweringError("no lowering for a function whose code in PyTorch needs all sizes as constants")


@lowers(aten.native_group_norm.default)
def native_group_norm(
    tracer: Tracer, x: DeviceTensor, weight: Any, bias: Any, n: Any, c: Any, hxw: Any, group: int, eps: float
) -> tuple[DeviceTensor, DeviceTensor, DeviceTensor]:
    """Channels are normalized in groups: the mean and the variance of each, over the dimensions behind it, too."""
    channels = tracer.known_size(dims_of(x.ssa)[1])
    if channels is None or channels % group:
        raise exc.ShapeMismatch(f"{dims_of(x.ssa)[1]} channels are no multiple of {group} groups")
    dims = dims_of(x.ssa)
    grouped = reshaped(tracer, x, [dims[0], group, channels // group, *dims[2:]])
    wide = grouped.float() if x.dtype in HALVES else grouped
    axes = list(range(2, wide.dim()))
    variance, mean = aten.var_mean.correction(wide, axes, correction=0, keepdim=True)
    rstd = aten.rsqrt.default(aten.add.Scalar(variance, eps))
    result = aten.mul.Tensor(aten.sub.Tensor(wide, mean), rstd)
    for factor, emit in ((weight, MUL), (bias, ADD)):
        if factor is not None:
            by_group = reshaped(tracer, factor, [1, group, channels // group, *(1 for _ in dims[2:])])
            result = pointwise(tracer, emit, [result, by_group])
    shapes = (result, dims), (mean, [dims[0], group]), (rstd, [dims[0], group])
    out, first, second = (device_tensor(tracer, reshaped(tracer, *each).to(x.dtype)) for each in shapes)
    return out, first, second


@lowers(aten._cdist_forward.default)
def cdist(tracer: Tracer, a: DeviceTensor, b: DeviceTensor, p: float, mode: Any = None) -> DeviceTensor:
    """The `p`-norm of the difference of each row of `a` and each row of `b`."""
    distance = aten.sub.Tensor(unsqueeze(tracer, a, -2), unsqueeze(tracer, b, -3))
    return aten.linalg_vector_norm.default(distance, p, [-1])


@lowers(aten._euclidean_dist.default)
def euclidean_dist(tracer: Tracer, a: DeviceTensor, b: DeviceTensor) -> DeviceTensor:
    return cdist(tracer, a, b, 2.0)


@lowers_function(torch.kron, torch.Tensor.kron)
def kron(tracer: Tracer, a: Any, b: Any) -> Any:
    """Every element of `a` times all of `b`."""
    if not isinstance(a, DeviceTensor) or not isinstance(b, DeviceTensor):
        return NotImplemented
    rank = max(a.dim(), b.dim())
    for _ in range(rank - a.dim()):
        a = unsqueeze(tracer, a, 0)
    for _ in range(rank - b.dim()):
        b = unsqueeze(tracer, b, 0)
    merged = [tracer.dim(x * y) for x, y in zip(a.shape, b.shape, strict=True)]
    for axis in range(rank):
        a, b = unsqueeze(tracer, a, 2 * axis + 1), unsqueeze(tracer, b, 2 * axis)
    return reshaped(tracer, pointwise(tracer, MUL, [a, b]), merged)


@lowers_function(torch.linalg.multi_dot, torch.chain_matmul)
def multi_dot(tracer: Tracer, tensors: Sequence[Any], *more: Any, **_: Any) -> Any:
    """A chain of products, from the left."""
    factors = [*tensors, *more] if isinstance(tensors, list | tuple) else [tensors, *more]
    if not any(isinstance(x, DeviceTensor) for x in factors):
        return NotImplemented
    return reduce(partial(matmul, tracer), factors)


@lowers_function(F.binary_cross_entropy)
def binary_cross_entropy(
    tracer: Tracer, input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    """With a weight: PyTorch 2.11 broadcasts it by `torch._C._infer_size`, which takes no sizes that are symbols."""
    if weight is None or not isinstance(input, DeviceTensor):
        return NotImplemented
    with tracer.inside_torch():
        alike = target.shape == input.shape
    if not alike:
        raise exc.ShapeMismatch(f"a target of size {tuple(target.shape)} for an input of size {tuple(input.shape)}")
    modes = torch.nn._reduction
    old = size_average is not None or reduce is not None
    mode = modes.legacy_get_enum(size_average, reduce) if old else modes.get_enum(reduction)
    return aten.binary_cross_entropy.default(input, target, weight, mode)
