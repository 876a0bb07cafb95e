"""What users read of an error: in their names, of the class that says what was wrong, at their line."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection

from xdsl.utils.exceptions import VerifyException

from .. import exc
from .source import WALKED, error_location, from_user
from .tracer import Tracer

_SEVERAL_DIMENSIONS = re.compile(
    r"(argmax|argmin|cummax|cummin|cumprod|cumsum|logcumsumexp|max|min|prod)\(\)[^\n]*\b(tuple|list)\b"
)
"""What PyTorch's parser of arguments says of a function that takes one dimension, before any hook is asked."""
_SHAPES = ("shape", "size", "dimension", "broadcast", "expand")
_OURS = (AssertionError, AttributeError, KeyError, RecursionError, UnboundLocalError, VerifyException)
"""Errors that are bugs where our own code raises them; others may be what it says of the user's arguments."""
_SYMBOL = re.compile(r"\b[bs]\d+\b")
_QUOTED = re.compile(r"'([-+*/ ()\w]*\b[bs]\d+\b[-+*/ ()\w]*)'")
_WORDS = (
    ("'DeviceTensor' object", "a device value"), ("'Tile' object", "a tile"), ("'HostTensor' object", "a tensor"),
    ("'DeviceTensor'", "a device value"), ("'HostTensor'", "a tensor"), ("'Tile'", "a tile"),
    ("DeviceTensor", "Tensor"), ("HostTensor", "Tensor"), ("'Loop'", "a device loop"),
    *((f"{mark}{name}{mark}", f"{mark}{plain}{mark}") for mark in ("'", "") for name, plain in (
        ("SymInt", "int"), ("SymFloat", "float"), ("SymBool", "bool"))),
)  # fmt: skip
"""Classes of ours, and what they stand for."""


def in_users_names(text: str, tracer: Tracer) -> str:
    """A message with tiles and sizes called what the kernel calls them."""
    taken = {node.id for node in ast.walk(tracer.source.tree) if isinstance(node, ast.Name)}

    def name(found: re.Match[str]) -> str:
        symbol = found[0]
        if symbol in taken:
            return symbol
        return tracer.block_names.get(symbol) or tracer.reads_named(tracer.symbol_exprs.get(symbol, symbol))

    unquoted = _QUOTED.sub(lambda m: m[0] if m[1] in taken else m[1], text)
    return plain(_SYMBOL.sub(name, unquoted))


def plain(text: str) -> str:
    """A message of Python's or PyTorch's without our classes."""
    for word, plain_word in _WORDS:
        text = text.replace(word, plain_word)
    return text


def _place(error: Exception, files: Collection[str]) -> exc.SourceLocation | None:
    """Where in the user's code an exception came from: the expression, else the statement that was walked."""
    return error_location(files, error.__traceback__) or getattr(error, WALKED, None)


def host_error(error: Exception, files: Collection[str]) -> Exception:
    """The user's error for one of Python or PyTorch in host code: the same, with its place."""
    place = _place(error, files)
    if isinstance(error, _OURS) and not from_user(error, files):
        return exc.InternalError(f"{type(error).__name__}: {error}", location=place)
    if isinstance(error, NameError):
        return exc.UndefinedVariable(str(error), location=place)
    if error.args and isinstance(error.args[0], str):
        error.args = (plain(error.args[0]), *error.args[1:])
    if place is not None and not getattr(error, "__notes__", ()):
        error.add_note(f"in host code of a kernel\n{place.render()}")
    return error


def device_error(error: Exception, files: Collection[str]) -> Exception:
    """The user's error for an unexpected one of Python or PyTorch in device code."""
    place = _place(error, files)
    text = str(error)
    if isinstance(error, _OURS) and not from_user(error, files) and "HostTensor" not in text:
        return exc.InternalError(f"{type(error).__name__}: {text}", location=place)
    if isinstance(error, AssertionError):
        return error if place is None else AssertionError(f"{text}\n{place.render()}")
    if isinstance(error, NameError):
        return exc.UndefinedVariable(text, location=place)
    for kinds, known in ((TypeError, _type_error), ((AttributeError, TypeError, RuntimeError), _whole_tensor)):
        if isinstance(error, kinds) and (found := known(text, place)) is not None:
            return found
    if "cannot be converted to Scalar" in text or "can be converted to Python scalars" in text:
        return exc.NotAllowedOnDevice(
            "Python needs the value of a tensor of several lanes",
            hint="only a tensor of one element is a number; compute with the tensor itself",
            location=place,
        )
    if isinstance(error, RuntimeError | ValueError) and any(word in text.lower() for word in _SHAPES):
        return exc.ShapeMismatch(plain(text), location=place)
    return exc.TorchOpTracingError(f"{type(error).__name__}: {plain(text)}", location=place)


def _type_error(text: str, place: exc.SourceLocation | None) -> exc.Base | None:
    if call := _SEVERAL_DIMENSIONS.match(text):
        return exc.MultipleReductionDims(
            f"{call[1]} over several dimensions, where it takes one",
            hint="reduce one dimension after the other; sum, amax and amin take several",
            location=place,
        )
    if "unhashable type: non-nested Sym" in text:
        return exc.InvalidSequenceSubscription(
            "a dict or set of Python's is asked for a number that is not known at compile time",
            hint="loop over its keys with hl.static_range, or make it a tensor",
            location=place,
        )
    return None


def _whole_tensor(text: str, place: exc.SourceLocation | None) -> exc.Base | None:
    if "HostTensor" not in text:
        return None
    return exc.HostTensorDirectUsage(
        "a whole host tensor is used in device code, not what a subscript loads of it",
        hint="load what you need, x[tile]; take views of x, and what needs its data, in host code",
        location=place,
    )
