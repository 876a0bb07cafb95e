"""Errors that are bugs of ours: `InternalError`, with the place in the user's code and a script that reproduces it."""

from __future__ import annotations

import inspect
import textwrap
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FunctionType

import torch

from .. import exc
from ..files import kept_file
from .repro import call_script


@contextmanager
def bugs_reported(
    fn: FunctionType, args: Sequence[object], config: object = None, *, users: bool = False
) -> Iterator[None]:
    """What fails within the block is a bug, and is raised as `InternalError`; its hint names a script.

    `fn`: the kernel's function; `args`: its arguments as `describe` makes them; `config`: the one that is compiled;
    `users`: the user's code runs in the block, which says itself what is a bug.
    """
    try:
        yield
    except exc.InternalError as error:
        _report(error, fn, args, config, error.__cause__ or error)
        raise
    except (exc.Base, Warning):
        raise
    except Exception as error:
        if users:
            raise
        bug = exc.InternalError(f"{type(error).__name__}: {error}", location=exc.SourceLocation.of_definition(fn))
        _report(bug, fn, args, config, error)
        raise bug from error


def _report(
    bug: exc.InternalError, fn: FunctionType, args: Sequence[object], config: object, error: BaseException
) -> None:
    if bug.hint is None:
        path = kept_file(fn.__name__, ".py", _script(fn, args, config, error))
        bug.hint = f"please report it with {path}, which reproduces it"


def _script(fn: FunctionType, args: Sequence[object], config: object, error: BaseException) -> str:
    """The kernel, arguments like those of the call, the call; and what it raised, as comments."""
    try:
        text = textwrap.dedent(inspect.getsource(fn))
    except (OSError, TypeError):
        text = f"# the source of {fn.__name__} cannot be read"
    trace = "".join(traceback.format_exception(error)).rstrip()
    head = f"{trace}\n\ntorch {torch.__version__}; kernel {fn.__qualname__} of {fn.__code__.co_filename}"
    head += "" if config is None else f"\nconfig: {config!r}"
    source = f"{textwrap.indent(head, '# ', lambda _: True)}\nimport torch\n\nimport helion_ir\n"
    source += f"import helion_ir as helion\nimport helion_ir.language as hl\n\n\n{text}"
    try:
        return call_script(source, fn.__name__, args)
    except exc.InvalidAPIUsage as unspelled:
        return f"{source}\n# arguments: {args!r} ({unspelled.message})\n"


__all__ = ["bugs_reported"]
