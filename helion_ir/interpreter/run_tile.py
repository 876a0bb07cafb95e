"""Run a `tile` kernel on torch CPU tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from xdsl.dialects.builtin import IntAttr, ModuleOp, TupleType
from xdsl.ir import Attribute
from xdsl.utils.exceptions import InterpretationError

from helion_ir.dialects.dims import Dim, substitute
from helion_ir.dialects.tile import BlockAttr, KernelOp, RefType

from .combine import CombineFunctions
from .control import ControlFunctions
from .elementwise import ElementwiseFunctions
from .engine import BlockInterpreter
from .opaque import TileOpaqueFunctions
from .state import DTYPES, State, dtype_of, signless
from .tile_functions import TileLoopFunctions, TileValueFunctions
from .values import ValueFunctions

Argument = Tensor | int | float | bool | Sequence[Tensor]

DEFAULT_BLOCKS = (16, 32)
"""Block sizes for symbols without one, in turn: large enough to be quick, different, and partial at odd sizes."""


def run_kernel(
    module: ModuleOp,
    args: Sequence[Argument],
    symbols: Mapping[str, int] | None = None,
    block_sizes: Mapping[str, int] | None = None,
    *,
    seed: int = 0,
    shuffle: bool = False,
) -> None:
    """Run all programs of the module's `tile.kernel`, at any stage; refs are written in place.

    Args:
        module: holds exactly one `tile.kernel`, config-free or scheduled (only `block_sizes` of a schedule counts).
        args: for each kernel argument a CPU tensor (ref), of any strides, or a number (scalar).
        symbols: values of size symbols; those that are a size or stride of a ref are found by themselves.
        block_sizes: values of block symbols, before the kernel's own; others get one of `DEFAULT_BLOCKS`.
        seed: of the poison in padding lanes: NaN for even seeds, finite garbage for odd ones.
        shuffle: run the programs of each grid in a random order.

    Raises:
        InterpretationError: an argument does not fit its type; an access is out of bounds; names the op's location.
    """
    kernel = _only_kernel(module)
    types = [argument.type for argument in kernel.body.block.args]
    sizes = {**(symbols or {})}
    bind_symbols(types, args, sizes)
    sizes |= _default_blocks(kernel) | kernel.block_size_values | dict(block_sizes or {})
    values = tuple(
        bind_argument(name.data, type_, arg, sizes)
        for name, type_, arg in zip(kernel.arg_names, types, args, strict=True)
    )
    state = State(sizes, seed)
    interpreter = BlockInterpreter(module)
    for functions in (
        ElementwiseFunctions(), ControlFunctions(), ValueFunctions(state), TileValueFunctions(state),
        TileLoopFunctions(state, shuffle), TileOpaqueFunctions(state), CombineFunctions(state),
    ):  # fmt: skip
        interpreter.register_implementations(functions)
    with torch.no_grad():
        interpreter.run_ssacfg_region(kernel.body, values, "tile.kernel")


def _only_kernel(module: ModuleOp) -> KernelOp:
    kernels = [op for op in module.ops if isinstance(op, KernelOp)]
    if len(kernels) != 1:
        raise InterpretationError(f"expected exactly one tile.kernel in the module, found {len(kernels)}")
    return kernels[0]


def _default_blocks(kernel: KernelOp) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for number, (name, block) in enumerate(kernel.blocks.data.items()):
        if not isinstance(block, BlockAttr):
            raise InterpretationError(f"blocks: {name} must be a #tile.block, got {block}")
        high = block.max.data if isinstance(block.max, IntAttr) else None
        size = max(block.min.data, DEFAULT_BLOCKS[number % len(DEFAULT_BLOCKS)])
        sizes[name] = size if high is None else min(size, high)
    return sizes


def bind_symbols(types: Sequence[Attribute], args: Sequence[Argument], symbols: dict[str, int]) -> None:
    """Add to `symbols` the bare size and stride symbols of ref types, as the tensors have them.

    Raises:
        InterpretationError: the number of arguments is wrong.
    """
    if len(types) != len(args):
        raise InterpretationError(f"the kernel takes {len(types)} arguments, got {len(args)}")
    refs = list(_refs(types, args))
    for type_, tensor in refs:
        _bind_all(type_.size_dims, tensor.shape, symbols)
    for type_, tensor in refs:
        _bind_all(type_.stride_dims, tensor.stride(), symbols)


def _refs(types: Iterable[Attribute], args: Iterable[Argument]) -> Iterator[tuple[RefType, Tensor]]:
    """The ref types, those in tuples too, with the tensors of fitting rank that are passed for them."""
    for type_, arg in zip(types, args, strict=False):
        if isinstance(type_, TupleType) and isinstance(arg, Sequence):
            yield from _refs(type_.types.data, arg)
        elif isinstance(type_, RefType) and isinstance(arg, Tensor) and arg.ndim == type_.rank:
            yield type_, arg


def _bind_all(dims: Iterable[Dim], values: Iterable[int], symbols: dict[str, int]) -> None:
    for dim, value in zip(dims, values, strict=True):
        if isinstance(dim, str) and dim.isidentifier():
            symbols.setdefault(dim, value)


def bind_tuple(bind: Callable[..., Any], name: str, type_: TupleType, arg: Argument, *context: Any) -> tuple[Any, ...]:
    """The values of a tuple argument, each bound by itself.

    Raises:
        InterpretationError: it is no sequence, or of another length.
    """
    types = type_.types.data
    if not isinstance(arg, Sequence) or len(arg) != len(types):
        raise InterpretationError(f"argument {name} must be a sequence of {len(types)} values")
    return tuple(
        bind(f"{name}[{i}]", member, value, *context) for i, (member, value) in enumerate(zip(types, arg, strict=True))
    )


def bind_argument(name: str, type_: Attribute, arg: Argument, symbols: Mapping[str, int]) -> Any:
    """The interpreter's value for an argument: a signless view of a tensor, a 0-d tensor, or a tuple of those.

    Raises:
        InterpretationError: kind, dtype, rank or sizes differ from the type.
    """
    if isinstance(type_, TupleType):
        return bind_tuple(bind_argument, name, type_, arg, symbols)
    if not isinstance(type_, RefType):
        if isinstance(arg, Tensor) and arg.ndim:
            raise InterpretationError(f"argument {name} is a scalar {type_}, got a tensor of shape {list(arg.shape)}")
        if type_ not in DTYPES:
            raise InterpretationError(f"argument {name} has type {type_}, which is neither a ref nor a scalar")
        return torch.tensor(arg.item() if isinstance(arg, Tensor) else arg, dtype=dtype_of(type_))
    if not isinstance(arg, Tensor):
        raise InterpretationError(f"argument {name} is a ref, got {type(arg).__name__}")
    if arg.dtype != dtype_of(type_.element_type):
        raise InterpretationError(f"argument {name} must hold {dtype_of(type_.element_type)}, got {arg.dtype}")
    expected = [substitute(dim, symbols) for dim in type_.size_dims]
    if list(arg.shape) != expected:
        raise InterpretationError(f"argument {name} must have sizes {expected}, got {list(arg.shape)}")
    if arg.device.type != "cpu":
        raise InterpretationError(f"argument {name} must be a CPU tensor, got {arg.device}")
    return signless(arg)
