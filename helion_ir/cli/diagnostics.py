"""How the command line shows an error: where, what, the source line, a caret; never a traceback."""

from __future__ import annotations

import linecache
import re

from xdsl.dialects.builtin import ArrayAttr, CallSiteLoc, FileLineColLoc, FusedLoc, NameLoc
from xdsl.ir import Attribute, Operation
from xdsl.utils.exceptions import DiagnosticException, MultipleSpansParseError, ParseError, VerifyException
from xdsl.utils.lexer import Span

TOOL = "helion-opt"


class OperationError(DiagnosticException):
    """An error at an operation of a module: `message`, and the op whose location tells where."""

    def __init__(self, message: str, op: Operation):
        super().__init__(message)
        self.message = message
        self.op = op


def render(message: str, file: str, line: int, column: int, text: str = "", width: int = 1, kind: str = "error") -> str:
    """One diagnostic.

    `line` and `column` count from 1; `text` is the source line, of which carets underline `width` characters.
    """
    head = f"{file}:{line}:{column}: {kind}: {message}"
    text = text.rstrip("\r\n")
    if not text:
        return head
    number = str(line)
    lead = "".join("\t" if c == "\t" else " " for c in text[: column - 1])
    carets = "^" * max(1, min(width, len(text) - column + 1))
    return f"{head}\n {number} | {text}\n {' ' * len(number)} | {lead}{carets}"


def _render_span(message: str, span: Span[str] | Span[bytes], kind: str = "error") -> str:
    at = span.get_location()
    content = span.input.content
    start = span.start - at.col + 1
    line = content[start : span.input.get_end_of_line(span.start)]
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
    return render(message, at.file, at.line, at.col, text, len(span), kind)


def render_parse_error(error: ParseError) -> str:
    """A parse error, with the further places that it names."""
    parts = [_render_span(error.msg.strip(), error.span)]
    if isinstance(error, MultipleSpansParseError):
        parts += [_render_span(note or error.ref_text or "see here", span, "note") for span, note in error.refs]
    return "\n".join(parts)


def file_location(location: Attribute) -> FileLineColLoc | None:
    """The file position in a location; of a fused or inlined one, the first."""
    match location:
        case FileLineColLoc():
            return location
        case NameLoc():
            return file_location(location.location)
        case CallSiteLoc():
            return file_location(location.callee)
        case FusedLoc(locations=ArrayAttr() as parts):
            return next((found for part in parts if (found := file_location(part)) is not None), None)
        case _:
            return None


def render_operation_error(error: OperationError) -> str:
    """An error at an op: at its source position, or at the nearest position of an op around it."""
    op: Operation | None = error.op
    message = f"'{error.op.name}': {error.message}"
    while op is not None:
        if (at := file_location(op.location)) is not None:
            file, line, column = at.filename.data, at.line.data, max(1, at.column.data)
            return render(message, file, line, column, linecache.getline(file, line), len(error.op.name))
        op = op.parent_op()
    return f"{TOOL}: error: {message}"


_AT = re.compile(r"(?P<op>\S+) at (?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<message>.*)", re.DOTALL)
"""A message that begins with an op and its position, as `dialects.verify.describe_op` writes them."""


def render_message(message: str, within: str = "") -> str:
    """A message that may begin with an op and its position; `within` says which pass or target it came from."""
    if (found := _AT.match(message)) is None:
        return f"{TOOL}: error: {within}{message}"
    file, line, column = found["file"], int(found["line"]), max(1, int(found["column"]))
    text = f"{within}'{found['op']}': {found['message']}"
    return render(text, file, line, column, linecache.getline(file, line), len(found["op"]))


def describe(error: BaseException) -> str:
    """An exception in one line: its message, led by its class where that is not said by the context."""
    text = " ".join(str(error).split())
    if isinstance(error, VerifyException):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
