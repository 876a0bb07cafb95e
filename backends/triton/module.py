"""The emitted module: imports, helpers, kernel, host function."""

from __future__ import annotations

import io
from collections.abc import Callable

from xdsl.dialects.builtin import IntegerType, ModuleOp, f32, i1, i32
from xdsl.ir import Attribute
from xdsl.utils.exceptions import DiagnosticException

from ...dialects import tl
from ...dialects.settings import setting
from ...dialects.tl import PtrType
from .emitted_helpers import ALLOCATOR, HELPERS
from .expressions import dtype
from .host import WIDTH, HostFunction
from .printer import KernelPrinter

IMPORTS = "import torch\nimport triton\nimport triton.language as tl\n"
LIBDEVICE = "from triton.language.extra import libdevice\n"


def parameter(name: str, type_: Attribute) -> str:
    """A kernel parameter; scalars whose type Triton would guess wrong from a Python number are annotated."""
    if isinstance(type_, PtrType) or type_ in (i1, i32, f32) or not hasattr(type_, "bitwidth"):
        return name
    return f"{name}: {dtype(type_)}"


def print_kernel(func: tl.FuncOp, printer: KernelPrinter) -> None:
    """The jit function of a kernel; constexpr parameters come last."""
    block = func.body.block
    names = [name.data for name in func.arg_names]
    printer.names.update(zip(block.args, names, strict=True))
    params = [parameter(name, arg.type) for name, arg in zip(names, block.args, strict=True)]
    params += [f"{name}: tl.constexpr" for name in func.constexprs.data]
    integers = [name for name, arg in zip(names, block.args, strict=True) if isinstance(arg.type, IntegerType)]
    plain = not integers or not setting(func, "any_integers")
    printer.print_string("@triton.jit" if plain else f"@triton.jit(do_not_specialize={integers})")
    header = f"def _{func.sym_name.data}({', '.join(params)}):"
    if len(header) > WIDTH:
        header = f"def _{func.sym_name.data}(\n    " + ",\n    ".join(params) + ",\n):"
    printer.line(header)
    printer.comments, comments = printer.comments and not setting(func, "no_comments"), printer.comments
    printer.dtype_asserts = bool(setting(func, "dtype_asserts"))
    printer.block(block)
    printer.comments = comments


def host_text(host: HostFunction) -> str:
    """The text of a host function in its module."""
    return host.text(host.func.constexprs, host.func.options)


def emit(module: ModuleOp, *, comments: bool = True, host: Callable[[HostFunction], str] = host_text) -> str:
    """The Triton source of a module: every `tl.func` as a kernel with its host function.

    Args:
        module: what `prepare-for-print` left.
        comments: whether to say, before each statement, which line of the user's source it comes from.
        host: what spells the host functions.

    Raises:
        DiagnosticException: an op has no Triton spelling, or the module is not prepared.
    """
    funcs = []
    for op in module.body.block.ops:
        if not isinstance(op, tl.FuncOp):
            raise DiagnosticException(f"only tl.func can be printed as Triton, got {op.name}: lower the module first")
        funcs.append(op)
    body = io.StringIO()
    printer = KernelPrinter(body, comments=comments, taken=frozenset(f"_{func.sym_name.data}" for func in funcs))
    for func in funcs:
        print_kernel(func, printer)
        printer.print_string("\n\n\n")
        if func.host.data:
            function = HostFunction(func)
            if function.allocates:
                printer.helpers.add("_alloc")
            printer.sources.update((text, text) for text in function.sources)
            body.write(host(function) + "\n\n\n")
    return _header(printer) + body.getvalue().rstrip("\n") + "\n"


def _header(printer: KernelPrinter) -> str:
    imports = IMPORTS + (LIBDEVICE if printer.uses_libdevice else "")
    parts = [imports, *(text for name, text in HELPERS.items() if name in printer.helpers)]
    parts += [text.strip("\n") + "\n" for text in printer.sources.values()]
    if "_alloc" in printer.helpers:
        parts.append(ALLOCATOR)
    return "\n\n".join(parts) + "\n\n"
