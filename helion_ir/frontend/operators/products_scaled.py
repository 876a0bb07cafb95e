"""`hl.dot_scaled`: a product of numbers of few bits that share scales."""

from __future__ import annotations

from typing import Any

import torch

from ... import exc
from ...dialects import tile
from ...dialects.dims import Dim, dims_of, substitute
from ...dialects.value import SCALE_LANES, BitcastOp
from ...language.values import SCALED_DTYPES
from ..builder import element_type
from ..symbols.expressions import Poly
from ..tensors import EVERY_LANE, DeviceTensor, MergedTiles
from ..tracer import Tracer
from . import jagged
from .merged_axes import zeroed
from .pointwise import ADD, pointwise
from .products import shaped
from .table import same_dim
from .views import reshaped


def _matrix(x: Any, name: str) -> DeviceTensor:
    if not isinstance(x, DeviceTensor):
        raise exc.HostTensorDirectUsage(
            f"hl.dot_scaled takes device values, {name} is none", hint="load what you need of it: x[tile]"
        )
    if x.dim() != 2:
        raise exc.RankMismatch(f"hl.dot_scaled takes matrices, {name} has {x.dim()} dimensions")
    return x


def _numbers(tracer: Tracer, x: Any, name: str, format_: Any) -> DeviceTensor:
    """An operand whose element type tells its format."""
    x = _matrix(x, name)
    if format_ not in SCALED_DTYPES:
        raise exc.InvalidAPIUsage(
            f"hl.dot_scaled has no format {format_!r} for {name}", hint=f"formats are {', '.join(SCALED_DTYPES)}"
        )
    own, other = SCALED_DTYPES[format_]
    if x.dtype not in (own, other):
        raise exc.InvalidAPIUsage(f"{name} of format {format_} is {own} or {other}, got {x.dtype}")
    if x.dtype == own or format_ == "e2m1":
        return x
    return tracer.tensor(tracer.builder.emit(BitcastOp(x.ssa, element_type(own))), own, x.tiles)


def _scale(x: Any, name: str) -> DeviceTensor:
    x = _matrix(x, name)
    if x.dtype != torch.uint8:
        raise exc.InvalidAPIUsage(f"{name} holds exponents in torch.uint8 (2^(s - 127)), got {x.dtype}")
    return x


def _named(tracer: Tracer, x: DeviceTensor, name: str, axis: int, dim: Dim) -> DeviceTensor:
    """`x` with an axis that is as long as `dim` under that name."""
    dims = list(dims_of(x.ssa))
    if dims[axis] == dim:
        return x
    if not same_dim(tracer, dims[axis], dim):
        tracer.must_equal(dims[axis], dim)
        raise exc.ShapeMismatch(f"{name} has {dims[axis]} lanes where {dim} are needed")
    dims[axis] = dim
    return reshaped(tracer, x, dims)


def _same_length(tracer: Tracer, *axes: tuple[DeviceTensor, int, int]) -> bool:
    """Whether axes stand for equally many numbers, given how many a lane stands for; of sizes this is a guard, of
    block sizes a question to the config."""
    fixed: dict[str, Dim] = {name: block.fixed for name, block in tracer.blocks.items() if block.fixed is not None}
    lengths: list[Poly] = []
    for x, axis, each in axes:
        dim = dims_of(x.ssa)[axis]
        known = substitute(dim, fixed)
        poly = tracer.resolved(tracer.poly_of_dim(known if isinstance(known, int) else dim))
        lengths.append(poly * Poly.constant(each))
    left, right = lengths
    if left == right:
        return True
    tracer.checked_equal(left, right)
    (a, i, per_a), (b, j, per_b) = axes
    asked = (left - right).value is None and any(atom in tracer.blocks for atom in (left - right).atoms())
    return asked and bool(a.shape[i] * per_a == b.shape[j] * per_b)


def _contracted(tracer: Tracer, x: DeviceTensor, axis: int) -> tuple[Any, Any]:
    """The value with zeros where the axis's tile cannot say that lanes are not valid, and that tile."""
    value, known = jagged.filled(tracer, x.ssa, x.tiles, [axis], 0), x.tiles[axis]
    if isinstance(known, MergedTiles) and tracer.partial_parts(known) != [0]:
        value, known = zeroed(tracer, value, axis, known), EVERY_LANE
    return value, tracer.axis_tile(dims_of(value)[axis], known)


def hl_dot_scaled(
    tracer: Tracer, a: Any, a_scale: Any, a_format: str, b: Any, b_scale: Any, b_format: str, acc: Any = None,
    out_dtype: torch.dtype | None = None,
) -> DeviceTensor:  # fmt: skip
    """`hl.dot_scaled`."""
    a, b = _numbers(tracer, a, "a", a_format), _numbers(tracer, b, "b", b_format)
    m, n = dims_of(a.ssa)[0], dims_of(b.ssa)[1]
    a_scale = _named(tracer, _scale(a_scale, "a_scale"), "a_scale", 0, m)
    b_scale = _named(tracer, _scale(b_scale, "b_scale"), "b_scale", 0, n)
    sides = [("a", a, 1, 2 if a_format == "e2m1" else 1), ("b", b, 0, 2 if b_format == "e2m1" else 1)]
    sides += [("a_scale", a_scale, 1, SCALE_LANES), ("b_scale", b_scale, 1, SCALE_LANES)]
    for name, x, axis, each in sides[1:]:
        if not _same_length(tracer, (a, 1, sides[0][3]), (x, axis, each)):
            raise exc.ShapeMismatch(
                f"a has {a.shape[1] * sides[0][3]} numbers along k, {name} has {x.shape[axis]} elements there "
                f"for {each} each",
                hint="k is a multiple of 32: a [m, k], a_scale [m, k/32], b [k, n], b_scale [n, k/32]; "
                "e2m1 has two numbers a byte",
            )
    known = [_contracted(tracer, x, axis) for x, axis in ((a, 1), (a_scale, 1), (b, 0), (b_scale, 1))]
    wide, dims = torch.float32, (m, n)
    fused = acc is not None and acc.dtype == wide
    start = shaped(tracer, acc, dims, wide) if fused else tracer.builder.filled(0, element_type(wide), dims)
    op = tile.DotScaledOp(*(value for value, _ in known), start, *(over for _, over in known))
    result = tracer.tensor(tracer.builder.emit(op), wide, (a.tiles[0], b.tiles[1]))
    if acc is not None and not fused:
        result = pointwise(tracer, ADD, [result, acc], dtypes=(wide, wide))
    dtype = (out_dtype or wide) if acc is None else acc.dtype
    if dtype == wide:
        return result
    return tracer.tensor(tracer.builder.convert(result.ssa, wide, dtype, elidable=False), dtype, result.tiles)
