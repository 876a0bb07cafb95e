"""`--check`: does each pass keep what the kernel computes?

The interpreter runs the module before the first pass and after every pass on the same random arguments, with two
kinds of poison in padding lanes, and compares all memory that the kernel may write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor
from xdsl.dialects.builtin import ModuleOp, StringAttr, TupleType
from xdsl.ir import Attribute
from xdsl.utils.exceptions import InterpretationError, PassFailedException

from ..dialects.dims import Dim, substitute, symbols_of
from ..dialects.tile import KernelOp, RefType
from ..dialects.tl import FuncOp
from ..interpreter import run_func, run_kernel
from ..interpreter.state import dtype_of

SIZES = (37, 53, 19, 67, 29, 41)
"""Values of size symbols, in turn: odd and different, so that blocks are partial and a swap of axes shows."""

TOLERANCES = {torch.float64: 1e-7, torch.float32: 2e-4, torch.float16: 1e-2}
"""Relative and absolute; above assert_close's own, as passes may sum in another order. Coarser floats: 5e-2."""


class Inputs:
    """Random arguments for a kernel, made from the types of its arguments."""

    def __init__(self, kernel: KernelOp, seed: int = 0):
        self.generator = torch.Generator().manual_seed(seed)
        self.types = [arg.type for arg in kernel.body.block.args]
        self.symbols: dict[str, int] = {}
        refs = [ref for type_ in self.types for ref in _refs(type_)]
        self._choose(dim for ref in refs for dim in ref.size_dims)
        sizes = [substitute(dim, self.symbols) for ref in refs for dim in ref.size_dims]
        self.bound = max(1, min((size for size in sizes if isinstance(size, int)), default=8))
        """What integers stay below: an index of any dimension of any ref."""
        self._choose_parts(kernel, [dim for ref in refs for dim in (*ref.size_dims, *ref.stride_dims)])
        self.args: list[Any] = [self._value(type_) for type_ in self.types]
        self._derive(kernel)
        self.known = {
            f"({expr.data})": self.symbols[symbol]
            for symbol, expr in kernel.symbols.data.items()
            if isinstance(expr, StringAttr)
        }
        """The values of what the host computes sizes from, whether or not the kernel takes it; lowering puts each in
        parentheses."""

    def copies(self) -> list[Any]:
        """Fresh copies of the arguments, of the same strides."""
        return [_copied(arg) for arg in self.args]

    def _choose(self, dims: Any) -> None:
        for dim in dims:
            if isinstance(dim, str) and dim.isidentifier():
                self.symbols.setdefault(dim, SIZES[len(self.symbols) % len(SIZES)])

    def _choose_parts(self, kernel: KernelOp, dims: Sequence[Dim]) -> None:
        """Give the symbols that occur in expressions only a value: that of the integer argument that they are."""
        scalars = {
            expr.data
            for expr, type_ in zip(kernel.arg_exprs, self.types, strict=True)
            if not isinstance(type_, RefType | TupleType)
        }
        occurring = {symbol for dim in dims for symbol in symbols_of(dim)}
        for symbol in sorted(occurring - self.symbols.keys() - set(dims)):  # strides of their own come with the tensors
            expr = kernel.symbols.data.get(symbol)
            given = isinstance(expr, StringAttr) and expr.data in scalars
            self.symbols[symbol] = self.bound if given else SIZES[len(self.symbols) % len(SIZES)]

    def _derive(self, kernel: KernelOp) -> None:
        """Give the symbols that no ref's size names the value of their host expression, where it can be had."""
        names: dict[str, Any] = {
            expr.data: arg for expr, arg in zip(kernel.arg_exprs, self.args, strict=True) if expr.data.isidentifier()
        }
        for symbol, expr in kernel.symbols.data.items():
            if symbol in self.symbols or not isinstance(expr, StringAttr):
                continue
            try:
                self.symbols[symbol] = int(eval(expr.data, {"torch": torch}, names))
            except Exception:
                self.symbols[symbol] = SIZES[len(self.symbols) % len(SIZES)]

    def _value(self, type_: Attribute) -> Any:
        if isinstance(type_, TupleType):
            return tuple(self._value(member) for member in type_.types)
        if isinstance(type_, RefType):
            return self._tensor(type_)
        dtype = dtype_of(type_)
        if dtype.is_floating_point:
            return float(torch.rand((), generator=self.generator)) + 0.5
        return True if dtype is torch.bool else self.bound

    def _tensor(self, ref: RefType) -> Tensor:
        shape = [self._number(dim) for dim in ref.size_dims]
        strides: list[int] = []
        dense = 1
        for size, stride in zip(reversed(shape), reversed(ref.stride_dims), strict=True):
            if isinstance(stride, str) and stride.isidentifier():
                self.symbols.setdefault(stride, dense)
            strides.insert(0, self._number(stride))
            dense *= size
        length = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) if all(shape) else 0
        dtype = dtype_of(ref.element_type)
        return self._random(length, dtype).to(dtype).as_strided(shape, strides)

    def _number(self, dim: Dim) -> int:
        value = substitute(dim, self.symbols)
        if not isinstance(value, int):
            raise InterpretationError(f"cannot choose a value for the dim {dim}")
        return value

    def _random(self, length: int, dtype: torch.dtype) -> Tensor:
        if dtype.is_floating_point:
            return torch.randn(length, generator=self.generator)
        return torch.randint(0, 2 if dtype is torch.bool else self.bound, (length,), generator=self.generator)


class Checker:
    """Compares the module after each pass with the first one; see the module."""

    def __init__(self) -> None:
        self.inputs: Inputs | None = None
        self.expected: list[Any] = []
        self.names: list[str] = []

    def between(self, previous: str | None, module: ModuleOp) -> None:
        """Observe the module after the pass `previous`, or the input when that is None.

        Raises `PassFailedException` when the pass changed results, or the interpreter rejects what it made.
        """
        if previous is None:
            self._start(module)
            return
        for seed in (2, 3):
            self._compare(f"pass {previous}", self._run(f"pass {previous}", module, seed))

    def _start(self, module: ModuleOp) -> None:
        kernels = [op for op in module.ops if isinstance(op, KernelOp)]
        if len(kernels) != 1:
            raise PassFailedException(f"--check needs an input with one tile.kernel, found {len(kernels)}")
        self.names = [name.data for name in kernels[0].arg_names]
        try:
            self.inputs = Inputs(kernels[0])
        except InterpretationError as error:
            raise PassFailedException(f"--check: {error}") from error
        self.expected = self._run("the input", module, 0)
        self._compare("padding alone", self._run("the input", module, 1))

    def _run(self, what: str, module: ModuleOp, seed: int) -> list[Any]:
        assert self.inputs is not None
        args = self.inputs.copies()
        try:
            if any(isinstance(op, FuncOp) for op in module.ops):
                run_func(module, args, seed=seed, known=self.inputs.known)
            else:
                run_kernel(module, args, self.inputs.symbols, seed=seed)
        except InterpretationError as error:
            raise PassFailedException(f"--check: {what}: the interpreter cannot run it: {error}") from error
        return args

    def _compare(self, what: str, actual: Sequence[Any]) -> None:
        for name, ours, theirs in zip(self.names, actual, self.expected, strict=True):
            for a, b in zip(_tensors(ours), _tensors(theirs), strict=True):
                if (difference := _difference(a, b)) is not None:
                    raise PassFailedException(f"--check: {what} changes results: argument {name}: {difference}")


def _refs(type_: Attribute) -> list[RefType]:
    if isinstance(type_, TupleType):
        return [ref for member in type_.types for ref in _refs(member)]
    return [type_] if isinstance(type_, RefType) else []


def _is_tuple(arg: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(arg, tuple)


def _tensors(arg: Any) -> list[Tensor]:
    if _is_tuple(arg):
        return [tensor for member in arg for tensor in _tensors(member)]
    return [arg] if isinstance(arg, Tensor) else []


def _copied(arg: Any) -> Any:
    if _is_tuple(arg):
        return tuple(_copied(member) for member in arg)
    if not isinstance(arg, Tensor):
        return arg
    memory = torch.empty(0, dtype=arg.dtype).set_(arg.untyped_storage().clone())
    return memory.as_strided(arg.shape, arg.stride())


def _difference(actual: Tensor, expected: Tensor) -> str | None:
    """How two tensors differ, in one line; None if they agree."""
    tolerance = TOLERANCES.get(actual.dtype, 5e-2) if actual.dtype.is_floating_point else 0.0
    if actual.dtype.is_floating_point:
        actual, expected = actual.double(), expected.double()
    close = torch.isclose(actual, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
    if bool(close.all()):
        return None
    at = tuple(int(i) for i in (~close).nonzero()[0])
    wrong = int((~close).sum())
    return f"{wrong} of {close.numel()} elements, first {list(at)}: {actual[at].item()} for {expected[at].item()}"
