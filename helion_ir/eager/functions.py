"""The functions of `hl` in the eager reference, by name: the run, and then the arguments of the function."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from .. import exc
from ..dialects.value.random import UNIT
from ..interpreter import philox
from ..interpreter.dot_scaled import dot_scaled as multiply_scaled
from ..language.values import SCALED_DTYPES
from .memory import atomic, load, store
from .stack import EagerStack
from .tiles import EagerTile, loop, mark

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""What each function does; one that is not here has no eager form."""


def _function(implementation: Callable[..., Any]) -> Callable[..., Any]:
    FUNCTIONS[implementation.__name__.rstrip("_")] = implementation
    return implementation


# Loops -----------------------------------------------------------------------------------------------------


@_function
def tile(run: Any, begin: Any, end: Any = None, /, block_size: Any = None) -> Iterator[Any]:
    return run.loop(loop(begin, end, 1 if block_size is None and run.lane_by_lane else block_size, run.device))


@_function
def jagged_tile(run: Any, lengths: torch.Tensor, /) -> Iterator[Any]:
    """A kernel with one runs lane by lane, so that each loop has one length."""
    if not isinstance(lengths, torch.Tensor) or lengths.dim() == 0 or lengths.numel() > 1:
        raise exc.InvalidJaggedTileUsage("hl.jagged_tile runs in eager mode over the lengths of a tile of one lane")
    return run.loop(loop(0, int(lengths.reshape(())), None, run.device))


@_function
def stacktensor_like(run: Any, tensor_like: torch.Tensor, dev_ptrs: torch.Tensor) -> EagerStack:
    return EagerStack.of(tensor_like, dev_ptrs)


@_function
def grid(run: Any, begin: Any, end: Any = None, /, step: Any = None) -> Iterator[Any]:
    steps = 1 if step is None else step
    if isinstance(begin if end is None else end, list | tuple):
        tiles = loop(begin, end, steps if isinstance(steps, list | tuple) else [steps] * len(begin), run.device)
        return run.loop(tuple(each.begin for each in tiles_) for tiles_ in tiles)
    return run.loop(each.begin for each in loop(begin, end, steps, run.device))


@_function
def static_range(run: Any, begin: int, end: int | None = None, /, step: int = 1) -> range:
    return range(0, begin, step) if end is None else range(begin, end, step)


@_function
def barrier(run: Any) -> None:
    """Loops run one after the other."""


for _name in ("begin", "end", "block_size", "index", "id", "count"):
    FUNCTIONS[f"tile_{_name}"] = lambda run, tile, name=_name: getattr(tile, name)


# Memory ----------------------------------------------------------------------------------------------------


@_function
def load_(run: Any, tensor: Any, index: Any, extra_mask: Any = None, eviction_policy: Any = None) -> torch.Tensor:
    return tensor.load(index, extra_mask) if isinstance(tensor, EagerStack) else load(tensor, index, extra_mask)


@_function
def store_(run: Any, tensor: Any, index: Any, value: Any, extra_mask: Any = None) -> None:
    if isinstance(tensor, EagerStack):
        tensor.store(index, value, extra_mask)
    else:
        store(tensor, index, value, extra_mask)


def _atomic(combine: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def apply(run: Any, target: Any, index: Any, *values: Any, sem: str = "relaxed") -> torch.Tensor:
        if values and isinstance(values[-1], str):
            values = values[:-1]
        return atomic(target, index, combine, *values)

    return apply


FUNCTIONS.update(
    {
        "atomic_add": _atomic(torch.add),
        "atomic_and": _atomic(torch.bitwise_and),
        "atomic_or": _atomic(torch.bitwise_or),
        "atomic_xor": _atomic(torch.bitwise_xor),
        "atomic_max": _atomic(torch.maximum),
        "atomic_min": _atomic(torch.minimum),
        "atomic_xchg": _atomic(lambda old, value: value),
        "atomic_cas": _atomic(lambda old, expected, value: torch.where(old == expected, value, old)),
    }
)


def _pads(pads: Any) -> Sequence[torch.Tensor]:
    return [pads] if isinstance(pads, torch.Tensor) else list(pads)


def _take(pad: torch.Tensor, index: Any, expected: Any, update: Any) -> None:
    """Put `update` where slots hold what is expected of them, which all must: nothing runs beside the kernel."""
    held = atomic(pad, index, lambda old, wanted, new: torch.where(old == wanted, new, old), expected, update)
    if bool((held != expected).any()):
        raise exc.InvalidAPIUsage(
            f"slots of a pad hold {held.flatten().tolist()[:8]}, and nobody can signal: eager kernels run one after "
            "the other",
            hint="run the kernel that signals first", location=exc.SourceLocation.of_caller(),
        )  # fmt: skip


@_function
def signal_(
    run: Any, pads: Any, index: Any, signal: Any = 1, wait_for: Any = None, op: str = "atomic_xchg", **order: str
) -> torch.Tensor | None:
    held = None
    for pad in _pads(pads):
        if wait_for is not None:
            _take(pad, index, wait_for, signal)
        else:
            held = FUNCTIONS[op](run, pad, index, signal)
    return held if isinstance(pads, torch.Tensor) else None


@_function
def wait(run: Any, pads: Any, index: Any, signal: Any = 1, update: Any = None, **how: str) -> None:
    for pad in _pads(pads):
        _take(pad, index, signal, signal if update is None else update)


# Values ----------------------------------------------------------------------------------------------------


def _axes(shape: Sequence[Any]) -> list[object]:
    return [size.lanes if isinstance(size, EagerTile) else None for size in shape]


def _shape(shape: Any) -> list[Any]:
    return list(shape) if isinstance(shape, list | tuple) else [shape]


@_function
def full(run: Any, shape: Any, value: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    sizes = _shape(shape)
    result = torch.zeros([int(size) for size in sizes], dtype=dtype, device=run.device)
    return mark(result.copy_(torch.as_tensor(value)), _axes(sizes))


@_function
def zeros(run: Any, shape: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return full(run, shape, 0, dtype)


@_function
def arange(run: Any, *bounds: Any, step: int = 1, dtype: torch.dtype | None = None) -> torch.Tensor:
    begin, end, stride = {1: (0, *bounds, step), 2: (*bounds, step), 3: bounds}[len(bounds)]
    return torch.arange(int(begin), int(end), int(stride), dtype=dtype or torch.int32, device=run.device)


@_function
def dot(run: Any, a: Any, b: Any, acc: Any = None, out_dtype: torch.dtype | None = None) -> torch.Tensor:
    if acc is not None:
        dtype = acc.dtype
    elif out_dtype is not None:
        dtype = out_dtype
    else:
        dtype = a.dtype if a.dtype == torch.float64 else torch.float32 if a.dtype.is_floating_point else torch.int32
    product = torch.matmul(a.to(dtype), b.to(dtype))
    return product if acc is None else acc + product


@_function
def dot_scaled(
    run: Any, a: Any, a_scale: Any, a_format: str, b: Any, b_scale: Any, b_format: str, acc: Any = None,
    out_dtype: torch.dtype | None = None,
) -> torch.Tensor:  # fmt: skip
    left, right = (x.view(SCALED_DTYPES[name][0]) for x, name in ((a, a_format), (b, b_format)))
    product = multiply_scaled(left, a_scale, right, b_scale)
    return product.to(out_dtype or torch.float32) if acc is None else (acc + product).to(acc.dtype)


@_function
def cumsum(run: Any, x: torch.Tensor, dim: int, reverse: bool = False) -> torch.Tensor:
    return x.flip(dim).cumsum(dim).flip(dim) if reverse else x.cumsum(dim)


@_function
def cumprod(run: Any, x: torch.Tensor, dim: int, reverse: bool = False) -> torch.Tensor:
    return x.flip(dim).cumprod(dim).flip(dim) if reverse else x.cumprod(dim)


@_function
def clamp(run: Any, x: Any, min: Any = None, max: Any = None) -> torch.Tensor:
    return torch.clamp(torch.as_tensor(x), min, max)


@_function
def split(run: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[..., 0], x[..., 1]


@_function
def join(run: Any, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.stack(torch.broadcast_tensors(a, b), -1)


@_function
def subscript(run: Any, value: torch.Tensor, index: Any) -> torch.Tensor:
    return value[tuple(index)] if isinstance(index, list | tuple) else value[index]


# Functions of the user's -----------------------------------------------------------------------------------


def _combined(function: Any, left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a combine function makes of two tuples; it takes their elements, or the tuples."""
    code = getattr(function, "fn", function)
    pairs = len(left) > 1 and hasattr(code, "__code__") and code.__code__.co_argcount == 2
    found = code(left, right) if pairs else code(*left, *right)
    return tuple(found) if isinstance(found, list | tuple) else (found,)


@_function
def associative_scan(run: Any, combine_fn: Any, x: Any, dim: int, reverse: bool = False) -> Any:
    parts = [each.movedim(dim, 0) for each in (x if isinstance(x, list | tuple) else (x,))]
    order = range(parts[0].size(0))
    rows: list[tuple[Any, ...]] = []
    for place in reversed(order) if reverse else order:
        row = tuple(part[place] for part in parts)
        rows.append(_combined(combine_fn, rows[-1], row) if rows else row)
    columns = zip(*(reversed(rows) if reverse else rows), strict=True)
    found = [torch.stack(column).movedim(0, dim) for column in columns]
    return tuple(found) if isinstance(x, list | tuple) else found[0]


@_function
def reduce(run: Any, combine_fn: Any, x: Any, dim: int | None = None, other: Any = 0, keep_dims: bool = False) -> Any:
    values = x if isinstance(x, list | tuple) else (x,)
    parts = [each.reshape(-1) if dim is None else each.movedim(dim, 0) for each in values]
    found = tuple(part[0] for part in parts)
    for place in range(1, parts[0].size(0)):
        found = _combined(combine_fn, found, tuple(part[place] for part in parts))
    if keep_dims:
        shapes = [[1] * each.dim() for each in values]
        found = tuple(f.reshape(s) if dim is None else f.unsqueeze(dim) for f, s in zip(found, shapes, strict=True))
    return found if isinstance(x, list | tuple) else found[0]


# Random numbers --------------------------------------------------------------------------------------------


def _offsets(run: Any, shape: Sequence[Any]) -> torch.Tensor:
    """The row-major index of each lane in the full extents of a shape; of 64 bits where it needs them."""
    rank, total = len(shape), torch.zeros([int(size) for size in shape], dtype=torch.int64, device=run.device)
    extents = [size.last if isinstance(size, EagerTile) else int(size) for size in shape]
    for place, (size, extent) in enumerate(zip(shape, extents, strict=True)):
        first = size.begin if isinstance(size, EagerTile) else 0
        positions = torch.arange(first, first + int(size), device=run.device).reshape(-1, *[1] * (rank - place - 1))
        total = total * extent + positions
    return total.to(torch.int32) if math.prod(extents) < 2**31 else total


def _draws(run: Any, shape: Any, seed: Any, offsets: Any) -> tuple[torch.Tensor, ...]:
    lanes = _offsets(run, _shape(shape)) if offsets is None else offsets
    return philox(torch.as_tensor(seed, dtype=torch.int64, device=run.device), lanes)


def _uniform(draws: torch.Tensor) -> torch.Tensor:
    return torch.where(draws < 0, -draws - 1, draws).to(torch.float32) * UNIT


@_function
def rand(run: Any, shape: Any, seed: Any, device: Any = None, offsets: Any = None) -> torch.Tensor:
    return _uniform(_draws(run, shape, seed, offsets)[0])


@_function
def randint(run: Any, shape: Any, low: Any, high: Any, seed: Any, device: Any = None, offsets: Any = None) -> Any:
    draws = _draws(run, shape, seed, offsets)[0]
    return low + draws.abs() % (high - low)


@_function
def rand4x(run: Any, seed: Any, offsets: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(_uniform(each) for each in _draws(run, (), seed, offsets))


# Compile time, and what only hardware has ------------------------------------------------------------------


@_function
def register_block_size(run: Any, least: Any, most: Any = None) -> int:
    return builtins.max(int(least if most is None else most), 1)


@_function
def register_tunable(run: Any, name: str, fragment: Any) -> Any:
    return fragment.default()


@_function
def specialize(run: Any, value: Any) -> Any:
    return value


@_function
def device_print(run: Any, prefix: str, *values: Any) -> None:
    print(prefix, *values)


@_function
def pdl_wait(run: Any) -> None:
    """Launches follow each other."""


@_function
def pdl_launch_dependents(run: Any) -> None:
    """Launches follow each other."""


def refuse(run: Any, name: str) -> None:
    """Raise for a function that has no eager form."""
    raise exc.InvalidAPIUsage(
        f"hl.{name} cannot run in eager mode (ref_mode, HELION_INTERPRET=1): it is a GPU's, not PyTorch's",
        hint="run without HELION_INTERPRET; on a CPU the reference interpreter runs the kernel's IR",
        location=exc.SourceLocation.of_caller(),
    )


__all__ = ["FUNCTIONS", "refuse"]
