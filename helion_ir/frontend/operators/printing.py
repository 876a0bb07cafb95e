"""`hl.device_print`, and `print` in device code: text and values, in the order in which they are given."""

from __future__ import annotations

import builtins
import string
from typing import Any

import torch
from xdsl.ir import SSAValue

from ... import exc
from ... import language as hl
from ...dialects import tile
from ...dialects.inline_triton import SnippetOp
from ...dialects.value import PrintOp
from ...language.api import implement
from ...language.tiles import Tile
from ..builder import UNSIGNED
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .table import operand, promote

_RUNTIME = (torch.Tensor, torch.SymInt, torch.SymFloat, torch.SymBool)
_PRINTABLE = frozenset(string.printable)


@implement(hl.device_print)
def device_print(tracer: Tracer, prefix: Any, *values: Any) -> None:
    if not isinstance(prefix, str):
        raise exc.InvalidAPIUsage(f"the prefix of hl.device_print is a string, not a {type(prefix).__name__}")
    _emit(tracer, (prefix, *values))


def print_function(tracer: Tracer, *values: Any, **options: Any) -> None:
    """`print` in device code; of what is known at compile time, Python's own, while the kernel is traced."""
    if not any(isinstance(value, _RUNTIME) for value in values):
        builtins.print(*values, **options)
        return
    if options:
        raise exc.InvalidAPIUsage(f"print of values of the device takes no {', '.join(options)}")
    tracer.called()
    _emit(tracer, values)


def breakpoint_function(tracer: Tracer, *_: Any, **__: Any) -> None:
    """`breakpoint` in device code, which only an interpreter of the emitted text can stop at."""
    if tracer.backend.interpreted() is None:
        raise exc.BreakpointInDeviceLoopRequiresInterpret(
            "breakpoint() in device code, which is compiled and not run as Python",
            hint="HELION_INTERPRET=1 runs the kernel as Python, TRITON_INTERPRET=1 the emitted text; in host code it "
            "stops the trace",
        )
    tracer.called()
    tracer.effects += 1
    tracer.builder.append(SnippetOp("breakpoint()", [], []))


def _emit(tracer: Tracer, values: tuple[Any, ...]) -> None:
    """One op for each text with the values that follow it."""
    tracer.effects += 1
    texts: list[str] = []
    args: list[SSAValue] = []
    for value in values:
        if isinstance(value, _RUNTIME):
            args.append(_printed(tracer, value))
            continue
        if args:
            tracer.builder.append(PrintOp(" ".join(texts), args))
            texts, args = [], []
        texts.append(_text(value))
    tracer.builder.append(PrintOp(" ".join(texts), args))


def _text(value: Any) -> str:
    text = str(value)
    if not set(text) <= _PRINTABLE:
        raise exc.InvalidAPIUsage(f"a kernel prints text of ASCII, not {text!r}")
    return text


def _printed(tracer: Tracer, value: Any) -> SSAValue:
    """A value as Triton prints it: in 32 or 64 bits, and signed."""
    if isinstance(value, Tile):
        return tracer.builder.emit(tile.IndexOp(value.ssa, tracer.index_type))
    dtype = value.dtype if isinstance(value, DeviceTensor) else promote([value])[1]
    if dtype.is_floating_point:
        wide = torch.float64 if dtype == torch.float64 else torch.float32
    else:
        wide = torch.int64 if dtype.itemsize == 8 or dtype in UNSIGNED - {torch.uint8, torch.uint16} else torch.int32
    return operand(tracer, value, wide).ssa
