"""Run a `tl` kernel on torch CPU tensors, over its launch grid."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from xdsl.dialects.builtin import IntAttr, ModuleOp, StringAttr, TupleType
from xdsl.ir import Attribute
from xdsl.utils.exceptions import InterpretationError

from helion_ir.dialects import tl
from helion_ir.sizes import HOST_FUNCTIONS

from .combine import CombineFunctions
from .control import ControlFunctions
from .elementwise import ElementwiseFunctions
from .engine import BlockInterpreter
from .memory import flat_view
from .opaque import TlOpaqueFunctions
from .run_tile import Argument, bind_tuple
from .state import DTYPES, State, dtype_of, signless
from .tl_functions import Pointer, ProgramFunctions, TlValueFunctions, is_unsigned
from .values import ValueFunctions


def run_func(
    module: ModuleOp,
    args: Sequence[Argument],
    constexprs: Mapping[str, int] | None = None,
    grid: tuple[int, ...] | None = None,
    *,
    seed: int = 0,
    shuffle: bool = False,
    known: Mapping[str, int] | None = None,
) -> None:
    """Run all programs of the module's `tl.func`; what its pointers address is written in place.

    Args:
        module: holds exactly one `tl.func`.
        args: for each argument, in order, a CPU tensor (pointer) or a number; arguments left out at the end (sizes)
            are evaluated from their host expressions, which may name the arguments before them.
        constexprs: values of constexpr parameters; the others are as the function says.
        grid: the launch grid; evaluated from the function's `grid` region when left out.
        seed: of the poison in lanes that a mask without `other` leaves: NaN for even seeds, garbage for odd ones.
        shuffle: run the programs in a random order.
        known: values of the parts of host expressions that name what is no argument of the function, as text.

    Raises:
        InterpretationError: an argument does not fit; an access is out of bounds; names the op's location.
    """
    func = _only_func(module)
    host = _HostNames(func, args, known or {})
    values = tuple(
        bind_argument(name.data, argument.type, host.argument(number))
        for number, (name, argument) in enumerate(zip(func.arg_names, func.body.block.args, strict=True))
    )
    state = State(host.constexprs(constexprs or {}), seed)
    interpreter = BlockInterpreter(module)
    for functions in (
        ElementwiseFunctions(), ControlFunctions(), ValueFunctions(state), TlValueFunctions(state),
        ProgramFunctions(state), TlOpaqueFunctions(state), CombineFunctions(state),
    ):  # fmt: skip
        interpreter.register_implementations(functions)
    with torch.no_grad():
        if grid is None:
            grid = tuple(map(int, interpreter.run_ssacfg_region(func.grid, values, "grid")))
        state.grid = (*grid, 1, 1)[:3]
        every = list(itertools.product(*map(range, reversed(state.grid))))
        turns = [partial(state.enter, each[::-1]) for each in (state.shuffled(every) if shuffle else every)]
        interpreter.run_in_turn(func.body.block, values, lambda op: isinstance(op, tl.GridBarrierOp), turns)


def _only_func(module: ModuleOp) -> tl.FuncOp:
    functions = [op for op in module.ops if isinstance(op, tl.FuncOp)]
    if len(functions) != 1:
        raise InterpretationError(f"expected exactly one tl.func in the module, found {len(functions)}")
    return functions[0]


class _HostNames:
    """The host's view of a launch: expressions of arguments and constexprs, evaluated over the given arguments."""

    def __init__(self, func: tl.FuncOp, args: Sequence[Argument], known: Mapping[str, int]):
        if len(args) > len(func.arg_names):
            raise InterpretationError(f"the kernel takes {len(func.arg_names)} arguments, got {len(args)}")
        self.func, self.args = func, args
        self.exprs = [expr.data for expr in func.arg_exprs]
        self.known: dict[str, Any] = {name.data: arg for name, arg in zip(func.arg_names, args, strict=False)}
        self.known |= dict(zip(self.exprs, args, strict=False))
        self.parts = known

    def evaluate(self, expr: str) -> Any:
        """The value of a host expression."""
        if expr in self.known:
            return self.known[expr]
        names = {name: value for name, value in self.known.items() if name.isidentifier()}
        text = expr
        for part, number in self.parts.items():
            text = text.replace(part, str(number))
        try:
            return eval(text, {"torch": torch, **HOST_FUNCTIONS, **names})
        except Exception as error:
            raise InterpretationError(f"cannot evaluate the host expression {expr!r}, pass it: {error}") from error

    def argument(self, number: int) -> Argument:
        """The value of an argument, given or evaluated."""
        return self.args[number] if number < len(self.args) else self.evaluate(self.exprs[number])

    def constexprs(self, given: Mapping[str, int]) -> dict[str, int]:
        """What is given, and the other constexprs that the function gives itself, as far as they can be evaluated."""
        values = dict(given)
        for name, value in self.func.constexprs.data.items():
            if name in given:
                continue
            if isinstance(value, IntAttr):
                values[name] = value.data
            elif isinstance(value, StringAttr):
                values[name] = int(self.evaluate(value.data))
        return values


def bind_argument(name: str, type_: Attribute, arg: Argument) -> Any:
    """The interpreter's value for an argument: a pointer to a tensor's memory, a 0-d tensor, or a tuple of those.

    Raises:
        InterpretationError: kind or dtype differ from the type.
    """
    if isinstance(type_, TupleType):
        return bind_tuple(bind_argument, name, type_, arg)
    if isinstance(type_, tl.PtrType):
        if not isinstance(arg, Tensor) or arg.device.type != "cpu":
            raise InterpretationError(f"argument {name} is a pointer and needs a CPU tensor, got {arg!r}")
        if arg.dtype != dtype_of(type_.element_type):
            raise InterpretationError(f"argument {name} must hold {dtype_of(type_.element_type)}, got {arg.dtype}")
        return Pointer(flat_view(signless(arg)), is_unsigned(type_.element_type))
    if type_ not in DTYPES:
        raise InterpretationError(f"argument {name} has type {type_}, which is neither a pointer nor a scalar")
    if isinstance(arg, Tensor):
        arg = arg.item()
    return torch.tensor(arg, dtype=dtype_of(type_))
