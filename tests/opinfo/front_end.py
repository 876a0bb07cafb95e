"""Emitted text through Triton's front end only: to its first IR, verified, which takes a tenth of a compilation.

What Triton refuses for its types shows there: an operator of libdevice for another dtype, arithmetic of `i1`.
"""

from __future__ import annotations

from typing import Any


class _Enough(BaseException):
    """Ends a compilation behind the front end."""


def _front_end(source: Any, target: Any, options: Any) -> None:
    from triton._C.libtriton import ir  # noqa: PLC0415
    from triton.compiler.compiler import make_backend  # noqa: PLC0415

    backend, context = make_backend(target), ir.context()
    parsed = backend.parse_options(dict(options))
    ir.load_dialects(context)
    backend.load_dialects(context)
    functions = backend.get_codegen_implementation(parsed)
    module = source.make_ir(target, parsed, functions, backend.get_module_map(), context)
    if not module.verify():
        raise RuntimeError("Triton's front end made a module that does not verify")
    raise _Enough


def check_text(compiled: Any, target: str) -> None:
    """Run a compiled kernel's text through the front end; raises what it raises.

    Args:
        compiled: a `CompiledKernel` that knows its arguments.
        target: `sm_90`, `gfx942`, ...
    """
    import triton  # noqa: PLC0415

    whole, triton.compile = triton.compile, _front_end
    try:
        compiled.binary(target)
    except _Enough:
        pass
    finally:
        triton.compile = whole
