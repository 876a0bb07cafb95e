"""Opaque Triton in device code: snippets, calls of jit functions, assembly; and synchronization of ranks."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

import torch
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Attribute, Operation, SSAValue

from ... import exc
from ... import language as hl
from ...backends.base import Source
from ...dialects import inline_triton as ops
from ...dialects import symm_mem
from ...dialects.dims import dims_of, tensor_type
from ...language.api import implement
from ...language.tiles import Tile
from ..builder import element_type
from ..symbols.nodes import poly_of
from ..tensors import DeviceTensor, HostTensor
from ..tracer import Tracer
from .table import broadcast, operand

_OPERAND = re.compile(r"__operand_(\d+)__")
"""An operand in Triton text while it is Python that can be parsed."""


def _template(text: str) -> str:
    """Text with operands as the template that an op holds: `{0}`, and braces doubled."""
    return _OPERAND.sub(r"{\1}", text.replace("{", "{{").replace("}", "}}"))


class _Operands:
    """Arguments of opaque code: those that are values become operands, those that are constants become text."""

    def __init__(self, tracer: Tracer):
        self.tracer = tracer
        self.values: list[SSAValue] = []

    def text(self, value: Any) -> str:
        """The text of an argument in the code."""
        if isinstance(value, hl.constexpr):
            return self.text(value.value)
        if isinstance(value, torch.SymInt) and not isinstance(value, Tile):
            if self.tracer.static_bounds(value) is not None:  # the text may need it as a constant
                self.tracer.needs_number(poly_of(value))
            constant = self.tracer.resolved(poly_of(value)).value
            return self._operand(value) if constant is None else str(constant)
        if isinstance(value, torch.dtype):
            element_type(value)  # raises for one that no kernel has
        if (text := self.tracer.opaque.constant(value)) is not None:
            return text
        if isinstance(value, list | tuple):
            whole = self.tracer.tuples.whole(value)
            return self._place(whole) if whole is not None else f"({''.join(self.text(v) + ', ' for v in value)})"
        return self._operand(value)

    def _place(self, value: SSAValue) -> str:
        if value not in self.values:
            self.values.append(value)
        return f"__operand_{self.values.index(value)}__"

    def _operand(self, value: Any) -> str:
        if isinstance(value, Tile | DeviceTensor):
            return self._place(value.ssa)
        if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool):
            dtype = torch.int64 if self._wide(value) else _DTYPES[type(value)]
            return self._place(operand(self.tracer, value, dtype).ssa)
        if isinstance(value, torch.Tensor):
            return self._place(self.tracer.ref(self.tracer.host_tensor(value)))
        raise exc.InvalidAPIUsage(f"opaque code cannot take an argument of type {type(value).__name__}")

    def _wide(self, value: Any) -> bool:
        return isinstance(value, torch.SymInt) and self.tracer.value_type(poly_of(value)).width.data == 64


_DTYPES: dict[type, torch.dtype] = {torch.SymInt: torch.int32, torch.SymFloat: torch.float32, torch.SymBool: torch.bool}


class _Results:
    """The results that `output_like` describes."""

    def __init__(self, tracer: Tracer, like: Any):
        self.tracer = tracer
        self.single = not isinstance(like, list | tuple)
        self.like: list[DeviceTensor] = [] if like is None else [like] if self.single else list(like)
        if like is not None and (not self.like or not all(isinstance(one, DeviceTensor) for one in self.like)):
            raise exc.InvalidAPIUsage(
                f"output_like is a device tensor, a tuple of them, or None, got {type(like).__name__}",
                hint="hl.zeros makes a device tensor of any shape and dtype",
            )

    @property
    def types(self) -> list[Attribute]:
        return [one.ssa.type for one in self.like]

    def emit(self, op: Operation) -> Any:
        """Append the op, whose effects are unknown; returns its results as the user sees them."""
        self.tracer.effects += 1
        self.tracer.builder.append(op)
        tensors = [
            self.tracer.tensor(value, one.dtype, one.tiles, reduced=one.reduced)
            for value, one in zip(op.results, self.like, strict=True)
        ]
        return (tensors[0] if self.single else tuple(tensors)) if tensors else None


@implement(hl.inline_triton)
def inline_triton(tracer: Tracer, source: Any, args: Any, output_like: Any) -> Any:
    if not isinstance(source, str) or not source.strip():
        raise exc.InvalidAPIUsage(f"the source of hl.inline_triton is text, got {source!r}")
    results, operands = _Results(tracer, output_like), _Operands(tracer)
    code = _filled(textwrap.dedent(source).strip("\n"), args, operands)
    code = _checked(code.strip(), value=bool(results.like))
    return results.emit(ops.SnippetOp(_template(code), operands.values, results.types))


def _filled(source: str, args: Any, operands: _Operands) -> str:
    """The text with its placeholders replaced; as `str.format` would, but they are plain names or numbers."""
    if isinstance(args, Mapping):
        given = {str(name): value for name, value in args.items()}
    elif isinstance(args, Sequence) and not isinstance(args, str):
        given = {str(number): value for number, value in enumerate(args)}
    else:
        raise exc.InvalidAPIUsage(f"args is a sequence or a mapping, got {type(args).__name__}")
    try:
        parts = list(Formatter().parse(source))
    except ValueError as error:
        raise exc.InvalidAPIUsage(
            f"malformed placeholder in the source: {error}", hint="braces that are no placeholders are doubled: {{ }}"
        ) from None
    text = ""
    for before, field, spec, conversion in parts:
        text += before
        if field is None:
            continue
        if field not in given or spec or conversion:
            raise exc.InvalidAPIUsage(
                f"unknown placeholder {{{field}}} in the source; the arguments are: {', '.join(given) or 'none'}",
                hint="braces that are no placeholders are doubled: {{ }}",
            )
        part = operands.text(given[field])
        text += f"({part})" if part.startswith("-") else part
    return text


def _checked(code: str, *, value: bool) -> str:
    """The code, which must be Python; its value, if it has one, on a last line of its own."""
    try:
        body = ast.parse(code).body
    except SyntaxError as error:
        shown = _OPERAND.sub(r"{\1}", (error.text or "").strip())
        raise exc.InvalidAPIUsage(f"the source of hl.inline_triton is not Python: {error.msg}: {shown}") from None
    if not value:
        return code
    last = body[-1] if body else None
    if not isinstance(last, ast.Expr):
        raise exc.InvalidAPIUsage("with output_like, the last line of the source must be an expression: the value")
    lines = code.split("\n")[: last.lineno]
    lines[-1] = lines[-1].encode()[: last.col_offset].decode().rstrip().removesuffix(";")
    return "\n".join([*(lines if lines[-1] else lines[:-1]), ast.unparse(last)])


@implement(hl.triton_kernel)
def triton_kernel(tracer: Tracer, fn_or_source_or_name: Any, args: Any, output_like: Any) -> Any:
    source = _jit_source(tracer, fn_or_source_or_name)
    results, operands = _Results(tracer, output_like), _Operands(tracer)
    if isinstance(args, Mapping):
        positional: list[str] = []
        keywords = {str(name): operands.text(value) for name, value in args.items()}
    elif isinstance(args, Sequence) and not isinstance(args, str):
        positional, keywords = [operands.text(value) for value in args], {}
    else:
        raise exc.InvalidAPIUsage(f"args is a sequence or a mapping, got {type(args).__name__}")
    _check_arguments(source, positional, keywords)
    text = ", ".join([*positional, *(f"{name}={value}" for name, value in keywords.items())])
    op = ops.CallOp(source.name, source.text, operands.values, results.types, arguments=_template(text))
    return results.emit(op)


def _jit_source(tracer: Tracer, function: Any) -> Source:
    """The function that the user means."""
    if isinstance(function, str) and function.isidentifier():
        name, function = function, tracer.module_names().get(function)
        if function is None:
            raise exc.InvalidAPIUsage(f"there is no Triton function {name!r} in the kernel's module")
        if isinstance(function, str):
            raise exc.InvalidAPIUsage(f"{name!r} is no @triton.jit function, but text", hint="give the text itself")
    if (source := tracer.opaque.of_function(function)) is not None:
        return source
    if isinstance(function, str):
        return tracer.opaque.of_text(function, tracer.module_names())
    raise exc.InvalidAPIUsage(
        f"hl.triton_kernel takes a @triton.jit function, its source or its name, got {type(function).__name__}",
        hint="decorate it with @triton.jit",
    )


def _check_arguments(source: Source, positional: Sequence[str], keywords: Mapping[str, str]) -> None:
    """The arguments must fit the function's parameters."""
    parameters = source.definition.args
    names = [arg.arg for arg in (*parameters.posonlyargs, *parameters.args)]
    optional = set(names[len(names) - len(parameters.defaults) :]) if parameters.defaults else set()
    only = {arg.arg: default for arg, default in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True)}
    takes = f"{source.name}({ast.unparse(parameters)})"
    if len(positional) > len(names) and parameters.vararg is None:
        raise exc.InvalidAPIUsage(f"{takes} takes {len(names)} arguments, got {len(positional)}")
    given = {*names[: len(positional)], *keywords}
    unknown = [name for name in keywords if name not in names and name not in only]
    missing = [name for name in names if name not in given | optional]
    missing += [name for name, default in only.items() if default is None and name not in given]
    if unknown or missing:
        what = f"has no parameter {unknown[0]!r}" if unknown else f"needs an argument for {missing[0]!r}"
        raise exc.InvalidAPIUsage(f"{takes} {what}")


@implement(hl.inline_asm_elementwise)
def inline_asm_elementwise(
    tracer: Tracer, asm: Any, constraints: Any, args: Any, dtype: Any, is_pure: Any, pack: Any
) -> Any:
    dtypes = list(dtype) if isinstance(dtype, list | tuple) else [dtype]
    wrong = {
        "asm is text": isinstance(asm, str),
        "constraints is text": isinstance(constraints, str),
        "args is a sequence of tensors and numbers": isinstance(args, list | tuple),
        "dtype is a dtype, or a sequence of them": dtypes and all(isinstance(d, torch.dtype) for d in dtypes),
        "is_pure is a bool": isinstance(is_pure, bool),
        "pack is a positive int": isinstance(pack, int) and not isinstance(pack, bool) and pack > 0,
    }
    for rule, holds in wrong.items():
        if not holds:
            raise exc.InvalidAPIUsage(f"in hl.inline_asm_elementwise, {rule}")
    given = [operand(tracer, arg, arg.dtype if isinstance(arg, DeviceTensor) else _number_dtype(arg)) for arg in args]
    values, tiles, reduced = broadcast(tracer, given) if given else ([], (), False)
    dims = dims_of(values[0]) if values else ()
    types = [tensor_type(element_type(d), *dims) for d in dtypes]
    op = ops.AsmOp(asm, constraints, values, types, pack=pack, pure=is_pure)
    tracer.effects += not is_pure
    tracer.builder.append(op)
    tensors = [tracer.tensor(v, d, tiles, reduced=reduced) for v, d in zip(op.results, dtypes, strict=True)]
    return tuple(tensors) if isinstance(dtype, list | tuple) else tensors[0]


def _number_dtype(value: Any) -> torch.dtype:
    if isinstance(value, HostTensor) or not isinstance(
        value, bool | int | float | torch.SymInt | torch.SymFloat | torch.SymBool
    ):
        raise exc.InvalidAPIUsage(f"assembly takes device tensors and numbers, got {type(value).__name__}")
    kind = {bool: torch.bool, float: torch.float32}.get(type(value))
    return kind or _DTYPES.get(type(value), torch.int32)


@implement(hl.symm_mem_sync)
def symm_mem_sync(
    tracer: Tracer,
    signal_pad_ptrs: Any,
    sync_id: Any,
    rank: Any,
    world_size: Any,
    hasPreviousMemAccess: Any = None,
    hasSubsequentMemAccess: Any = None,
) -> None:
    if isinstance(signal_pad_ptrs, DeviceTensor) or not isinstance(signal_pad_ptrs, torch.Tensor):
        raise exc.InvalidAPIUsage("signal_pad_ptrs is a whole host tensor: the addresses of the ranks' signal pads")
    if signal_pad_ptrs.dtype not in (torch.int64, torch.uint64):
        raise exc.InvalidAPIUsage(f"signal_pad_ptrs holds addresses, as int64 or uint64, not {signal_pad_ptrs.dtype}")
    for name, value in (
        ("hasPreviousMemAccess", hasPreviousMemAccess), ("hasSubsequentMemAccess", hasSubsequentMemAccess)
    ):  # fmt: skip
        if value is not None and not isinstance(value, bool):
            raise exc.InvalidAPIUsage(f"{name} is True, False or None, known at compile time, got {value!r}")
    if isinstance(rank, int) and isinstance(world_size, int) and not 0 <= rank < world_size:
        raise exc.InvalidAPIUsage(f"rank {rank} is not in range({world_size}), the ranks")
    op = symm_mem.SyncOp(
        tracer.ref(tracer.host_tensor(signal_pad_ptrs)),
        None if sync_id is None else _scalar(tracer, sync_id, "sync_id"),
        _scalar(tracer, rank, "rank"),
        _scalar(tracer, world_size, "world_size"),
        has_previous=hasPreviousMemAccess,
        has_subsequent=hasSubsequentMemAccess,
    )
    tracer.effects += 1
    tracer.builder.append(op)


def _scalar(tracer: Tracer, value: Any, name: str) -> SSAValue:
    """An integer argument as a scalar of the index type."""
    if isinstance(value, DeviceTensor) and not value.dim() and isinstance(value.ssa.type, IntegerType):
        if value.dtype != torch.bool:
            return tracer.builder.integer(value.ssa, tracer.index_type)
    elif isinstance(value, int | torch.SymInt) and not isinstance(value, bool | Tile):
        return tracer.integer(value)
    raise exc.InvalidAPIUsage(f"{name} is an integer, or a scalar of the device, got {type(value).__name__}")
