"""Opaque Triton text run by Triton's own interpreter, with values in and out through memory.

Triton's interpreter is made for processes that set TRITON_INTERPRET before they import it. Here its parts are used
directly, for one text at a time in the process: `triton.language` is patched while a text runs, and restored after.
So a text that waits for another thread never ends: give such functions an implementation (`implements`).
"""

from __future__ import annotations

import itertools
import linecache
import math
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from xdsl.dialects.builtin import TupleType
from xdsl.interpreter import PythonValues
from xdsl.ir import Attribute, Operation
from xdsl.utils.exceptions import InterpretationError

from helion_ir.dialects.dims import dims_of
from helion_ir.dialects.tile import RefType, TileType
from helion_ir.dialects.tl import PtrType

from .engine import LocatedError, describe_location
from .state import Shape, State, dtype_of

_running = threading.Lock()
_numbers = itertools.count()


class NeedsGPUError(LocatedError):
    """Opaque code that only a GPU can run."""


@cache
def modules() -> dict[str, Any]:
    """What opaque text may name."""
    triton = import_module("triton")
    libdevice = import_module("triton.language.extra.libdevice")
    return {"torch": torch, "triton": triton, "tl": triton.language, "libdevice": libdevice}


class _Wrapper:
    """A function around a text: its operands are loaded from parameters, its results stored to parameters."""

    def __init__(self) -> None:
        self.arguments: list[Any] = []

    def _parameter(self, value: Tensor) -> str:
        self.arguments.append(value)
        return f"_p{len(self.arguments) - 1}"

    def operand(self, type_: Attribute, value: Any) -> str:
        """The expression that stands for an operand: `value` is what `opaque.given` makes of it."""
        if isinstance(type_, TupleType):
            return f"({''.join(f'{self.operand(t, v)}, ' for t, v in zip(type_.types, value, strict=True))})"
        if isinstance(type_, RefType | PtrType):
            return self._parameter(value)
        if not isinstance(type_, TileType) and not dims_of(type_):
            value = torch.tensor(value, dtype=dtype_of(type_))
        block = _padded(value)
        text = f"tl.load({self._parameter(_stored(block))}{_offsets(tuple(block.shape))})"
        return f"({text} != 0)" if value.dtype == torch.bool else text

    def result(self, shape: Shape, dtype: torch.dtype) -> tuple[str, Tensor]:
        """Where a result goes: the address, and the memory behind it."""
        block = _stored(torch.zeros([_power_of_two(size) for size in shape], dtype=dtype))
        return f"{self._parameter(block)}{_offsets(tuple(block.shape))}", block


def _power_of_two(size: int) -> int:
    return 1 << max(size - 1, 0).bit_length()


def _padded(value: Tensor) -> Tensor:
    """A block with every extent a power of two, as Triton's are."""
    block = value.new_zeros([_power_of_two(size) for size in value.shape])
    block[tuple(slice(size) for size in value.shape)] = value
    return block


def _stored(value: Tensor) -> Tensor:
    """Booleans are bytes in memory."""
    return value.to(torch.int8) if value.dtype == torch.bool else value


def _offsets(shape: Shape) -> str:
    if not shape:
        return ""
    lanes = f"tl.arange(0, {math.prod(shape)})"
    return f" + {lanes}" if len(shape) == 1 else f" + tl.reshape({lanes}, {list(shape)})"


def run(state: State, op: Operation, values: Sequence[Any], source: str, text: str) -> PythonValues:
    """Run the statements `text`, whose last line is the value where `op` has results, in the current program.

    Args:
        values: the operands, as `opaque.given` makes them; `{0}` in the text is the first one.
        source: the definitions that the text needs.

    Raises:
        NeedsGPUError: the text has assembly.
        InterpretationError: Triton's interpreter cannot run it; says why.
    """
    wrapper = _Wrapper()
    operands = [wrapper.operand(v.type, value) for v, value in zip(op.operands, values, strict=True)]
    lines = text.format(*operands).strip("\n").split("\n")
    results = [wrapper.result(*state.layout(result.type)) for result in op.results]
    if results:
        lines[-1] = f"{', '.join(f'_out_{i}' for i in range(len(results)))} = {lines[-1].strip()}"
    lines += [f"tl.store({address}, _out_{i})" for i, (address, _) in enumerate(results)]
    parameters = ", ".join(f"_p{i}" for i in range(len(wrapper.arguments)))
    body = "".join(f"    {line}\n" for line in lines)
    with _running, _interpreting(state):
        try:
            _function(f"{source}\n\ndef _opaque({parameters}):\n{body}")(wrapper.arguments)
        except Exception as error:
            raise _described(op, error) from error
    return tuple(_cut(state, result.type, block) for result, (_, block) in zip(op.results, results, strict=True))


def _cut(state: State, type_: Attribute, block: Tensor) -> Tensor:
    shape, dtype = state.layout(type_)
    return block[tuple(slice(size) for size in shape)].to(dtype)


def _described(op: Operation, error: Exception) -> LocatedError:
    chain = list(_causes(error))
    if any(isinstance(cause, NotImplementedError) and "asm" in str(cause) for cause in chain):
        hint = "helion_ir.interpreter.implements gives a jit function an implementation"
        return NeedsGPUError(f"{describe_location(op)}: assembly runs on a GPU only; {hint}")
    return LocatedError(f"{describe_location(op)}: Triton's interpreter: {chain[-1]!r}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


_COMPUTING = ("binary_op", "unary_op", "ternary_op", "create_dot")


def _refusing_bfloat16(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of Triton's interpreter, which takes the bits of bfloat16 numbers for integers, on other types only."""
    bfloat16 = modules()["tl"].bfloat16

    def checked(*args: Any) -> Any:
        dtypes = (getattr(arg, "dtype", None) for arg in args)
        if any(getattr(dtype, "scalar", None) == bfloat16 for dtype in dtypes):
            raise InterpretationError("it cannot compute in bfloat16; convert to float32 first")
        return method(*args)

    return checked


@contextmanager
def _interpreting(state: State) -> Generator[None]:
    """Let jit functions that were made to be compiled run, as program `state.program` of `state.grid`."""
    interpreter, jit = import_module("triton.runtime.interpreter"), import_module("triton.runtime.jit").JITFunction
    builder = interpreter.interpreter_builder
    builder.set_grid_dim(*state.grid)
    builder.set_grid_idx(*state.program)
    saved = jit.__dict__.get("__call__")
    for name in _COMPUTING:
        setattr(builder, name, _refusing_bfloat16(getattr(builder, name)))
    jit.__call__ = lambda self, *args, **kwargs: _called(self.fn, args, kwargs)
    try:
        with warnings.catch_warnings():  # of NumPy, at what padding lanes hold
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    finally:
        for name in _COMPUTING:
            delattr(builder, name)  # the method of the class is back
        if saved is None:
            del jit.__call__
        else:
            jit.__call__ = saved


def _called(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call a Python function of Triton's language, with the language patched as its globals need."""
    interpreter = import_module("triton.runtime.interpreter")
    scope = interpreter._patch_lang(function)
    try:
        return interpreter.InterpretedFunction(function).rewrite()(*args, **kwargs)
    finally:
        scope.restore()


@lru_cache(maxsize=256)
def _function(source: str) -> Callable[[Sequence[Any]], Any]:
    """What runs the function `_opaque` of a text on tensors and tuples of them."""
    file = f"<opaque Triton {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {**modules(), "__name__": __name__}
    try:
        exec(compile(source, file, "exec"), namespace)
    except Exception as error:
        raise InterpretationError(f"the text is no Triton: {error}") from error
    interpreter = import_module("triton.runtime.interpreter")
    return lambda args: _called(namespace["_opaque"], [interpreter._implicit_cvt(arg) for arg in args], {})
