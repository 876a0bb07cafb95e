"""The check that nothing decorates a function before `kernel` does: its source would not be what runs."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from types import FunctionType

from ..exc import DecoratorAfterHelionKernelDecorator, SourceLocation


def check_decorators(fn: FunctionType, *kernel_decorators: object) -> None:
    """Raise `DecoratorAfterHelionKernelDecorator` if a decorator stands between `kernel` and the function."""
    if not _has_several(fn):
        return
    lines, first = inspect.getsourcelines(fn)
    definition = ast.parse(textwrap.dedent("".join(lines))).body[0]
    decorators = getattr(definition, "decorator_list", [])
    for number, decorator in enumerate(decorators[:-1]):
        if _value_of(decorator, fn) in kernel_decorators:
            following = decorators[number + 1]
            margin = len(lines[0]) - len(lines[0].lstrip())
            start, end = following.col_offset + margin + 1, (following.end_col_offset or 0) + margin + 1
            raise DecoratorAfterHelionKernelDecorator(
                f"{fn.__name__}: {ast.unparse(following)} stands after the kernel decorator, which must come last",
                hint="kernels are compiled from their source: no other decorator would have an effect inside",
                location=SourceLocation(fn.__code__.co_filename, first + following.lineno - 1, start, end),
            )


def _has_several(fn: FunctionType) -> bool:
    """Whether two decorators or more stand above the function, as far as its first lines tell."""
    count = 0
    for number in range(fn.__code__.co_firstlineno, fn.__code__.co_firstlineno + 50):
        line = linecache.getline(fn.__code__.co_filename, number).lstrip()
        if not line or line.startswith(("def ", "async ")):
            break
        count += line.startswith("@")
    return count > 1


def _value_of(decorator: ast.expr, fn: FunctionType) -> object:
    """What a decorator's dotted name means where the function was defined; None if unknown."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    names: list[str] = []
    while isinstance(target, ast.Attribute):
        names.append(target.attr)
        target = target.value
    if not isinstance(target, ast.Name):
        return None
    value = fn.__globals__.get(target.id) or inspect.getclosurevars(fn).nonlocals.get(target.id)
    for name in reversed(names):
        value = getattr(value, name, None)
    return value
