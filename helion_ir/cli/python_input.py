"""Python files as input: import the file, take a kernel, bind it on the file's example arguments."""

from __future__ import annotations

import importlib.util
import inspect
import linecache
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from xdsl.dialects.builtin import ModuleOp

from .. import exc
from .diagnostics import render

if TYPE_CHECKING:
    from ..kernels import Kernel

EXAMPLE_ARGS = "example_args"
PACKAGE = Path(exc.__file__).resolve().parent


class PythonInputError(Exception):
    """The Python file cannot be used; the message is a whole diagnostic."""


def load(path: Path) -> ModuleType:
    """Import a Python file. Raises `PythonInputError` where that fails."""
    try:
        return _import(path.resolve())
    except PythonInputError:
        raise
    except (Exception, SystemExit) as error:
        raise _user_error(error, path.resolve()) from error


def _import(path: Path) -> ModuleType:
    name = f"_helion_opt_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PythonInputError(f"{path}: error: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def _pick(module: ModuleType, path: Path, wanted: str | None) -> Kernel:
    from ..kernels import Kernel  # noqa: PLC0415 - it imports torch, which most runs of the tool do not need

    kernels = {name: value for name, value in vars(module).items() if isinstance(value, Kernel)}
    names = ", ".join(kernels) or "none"
    if wanted is not None:
        if wanted not in kernels:
            raise PythonInputError(f"{path}: error: no kernel {wanted!r}; kernels of this file: {names}")
        return kernels[wanted]
    if len(kernels) != 1:
        raise PythonInputError(f"{path}: error: --kernel must name one of this file's kernels: {names}")
    return next(iter(kernels.values()))


def _blame(error: BaseException, path: Path) -> tuple[int | None, bool]:
    """The innermost line of the user's file in a traceback, and whether this package's code was called from there."""
    line, ours = None, False
    for frame, number in traceback.walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        if file == path:
            line, ours = number, False
        elif file.is_relative_to(PACKAGE) and not file.is_relative_to(PACKAGE / "cli"):
            ours = True
    return line, ours


def _user_error(error: BaseException, path: Path) -> PythonInputError:
    """The diagnostic for what the user's file raised: at the innermost line of that file, no traceback.

    An error of this package's own code that is not one of `helion_ir.exc` is a bug of it, and raised again.
    """
    if isinstance(error, SyntaxError) and error.lineno is not None:
        text = render(
            f"SyntaxError: {error.msg}", error.filename or str(path), error.lineno, error.offset or 1, error.text or ""
        )
        return PythonInputError(text)
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, exc.Base):  # shows its position itself
        return PythonInputError(message)
    line, ours = _blame(error, path)
    if ours:
        raise error
    if line is None:
        return PythonInputError(f"{path}: error: {message}")
    text = linecache.getline(str(path), line)
    column = len(text) - len(text.lstrip()) + 1
    return PythonInputError(render(message, str(path), line, column, text, len(text.strip())))


def tile_module_of(module: ModuleType, path: Path, kernel: str | None) -> ModuleOp:
    """The config-free `tile` module of a kernel in a Python file that is loaded, on the CPU's example arguments.

    The file's function `example_args(device)`, or `example_args()`, returns the arguments, one tuple, for whichever
    kernel is taken.
    Raises `PythonInputError` when the kernel or the arguments do not serve.
    """
    path = path.resolve()
    try:
        bindable = _pick(module, path, kernel)
        example_args = getattr(module, EXAMPLE_ARGS, None)
        if not callable(example_args):
            raise PythonInputError(f"{path}: error: the file must define {EXAMPLE_ARGS}(device) for its kernel")
        device = ("cpu",) if inspect.signature(example_args).parameters else ()
        args = cast("Sequence[Any]", example_args(*device))
        return bindable.bind(tuple(args)).tile_module.clone()
    except PythonInputError:
        raise
    except (Exception, SystemExit) as error:
        raise _user_error(error, path) from error
