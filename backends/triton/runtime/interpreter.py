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
from functools import lru_cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language.extra import libdevice
from triton.runtime import interpreter
from triton.runtime.jit import JITFunction

from ...base import Memory

Shape = tuple[int, ...]

_running = threading.Lock()
_numbers = itertools.count()


MODULES: dict[str, Any] = {"torch": torch, "triton": triton, "tl": tl, "libdevice": libdevice}
"""What opaque text may name."""


class _Wrapper:
    """A function around a text: its operands are loaded from parameters, its results stored to parameters."""

    def __init__(self) -> None:
        self.arguments: list[Any] = []

    def _parameter(self, value: Tensor) -> str:
        self.arguments.append(value)
        return f"_p{len(self.arguments) - 1}"

    def operand(self, value: Any) -> str:
        """The expression that stands for an operand: a block or a scalar, memory, or a tuple of those."""
        if isinstance(value, Memory):
            return self._parameter(value.data)
        if isinstance(value, tuple):
            return f"({''.join(f'{self.operand(part)}, ' for part in value)})"
        block = _padded(value)
        text = f"tl.load({self._parameter(_stored(block))}{_offsets(tuple(block.shape))})"
        return f"({text} != 0)" if value.dtype == torch.bool else text

    def result(self, shape: Shape, dtype: torch.dtype) -> tuple[str, Tensor]:
        """The destination of a result: its address, and the memory behind it."""
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


def run(
    source: str,
    text: str,
    operands: Sequence[Any],
    results: Sequence[tuple[Shape, torch.dtype]],
    program: tuple[int, ...],
    grid: tuple[int, ...],
) -> list[Tensor]:
    """See `Backend.text_runner`."""
    wrapper = _Wrapper()
    lines = text.format(*map(wrapper.operand, operands)).strip("\n").split("\n")
    outputs = [wrapper.result(*result) for result in results]
    if outputs:
        lines[-1] = f"{', '.join(f'_out_{i}' for i in range(len(outputs)))} = {lines[-1].strip()}"
    lines += [f"tl.store({address}, _out_{i})" for i, (address, _) in enumerate(outputs)]
    parameters = ", ".join(f"_p{i}" for i in range(len(wrapper.arguments)))
    body = "".join(f"    {line}\n" for line in lines)
    with _running, _interpreting(program, grid):
        try:
            _function(f"{source}\n\ndef _opaque({parameters}):\n{body}")(wrapper.arguments)
        except Exception as error:
            if any(isinstance(cause, NotImplementedError) and "asm" in str(cause) for cause in _causes(error)):
                raise NotImplementedError("assembly") from error
            *_, last = _causes(error)
            raise RuntimeError(f"Triton's interpreter: {last!r}") from error
    return [
        block[tuple(slice(size) for size in shape)].to(dtype)
        for (shape, dtype), (_, block) in zip(results, outputs, strict=True)
    ]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


_COMPUTING = ("binary_op", "unary_op", "ternary_op", "create_dot")


def _refusing_bfloat16(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of Triton's interpreter, which takes the bits of bfloat16 numbers for integers, on other types only."""

    def checked(*args: Any) -> Any:
        dtypes = (getattr(arg, "dtype", None) for arg in args)
        if any(getattr(dtype, "scalar", None) == tl.bfloat16 for dtype in dtypes):
            raise TypeError("it cannot compute in bfloat16; convert to float32 first")
        return method(*args)

    return checked


@contextmanager
def _interpreting(program: tuple[int, ...], grid: tuple[int, ...]) -> Generator[None]:
    """Run jit functions under Triton's interpreter, as one program of a grid."""
    builder, jit = interpreter.interpreter_builder, JITFunction
    builder.set_grid_dim(*grid)
    builder.set_grid_idx(*program)
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
    namespace: dict[str, Any] = {**MODULES, "__name__": __name__}
    try:
        exec(compile(source, file, "exec"), namespace)
    except Exception as error:
        raise SyntaxError(f"the text is no Triton: {error}") from error
    return lambda args: _called(namespace["_opaque"], [interpreter._implicit_cvt(arg) for arg in args], {})
