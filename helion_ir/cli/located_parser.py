"""A parser that gives every op a source position, also where the text says none."""

from __future__ import annotations

import re
from bisect import bisect_right

from xdsl.context import Context
from xdsl.dialects.builtin import UNKNOWN_LOC, FileLineColLoc, IntAttr, LocationAttr, ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.parser import Parser, ParserState
from xdsl.utils.exceptions import ParseError
from xdsl.utils.lexer import Input
from xdsl.utils.mlir_lexer import MLIRLexer

from .diagnostics import describe


class LinearLexer(MLIRLexer):
    """xDSL's lexer, whose pattern for strings takes time exponential in the length of an unterminated one.

    The same pattern with possessive repeats does not.
    """

    _unescaped_characters_regex = re.compile(r'"(?:[^"\\\n\v\f]++|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+"')


class LocatedParser(Parser):
    """xDSL's parser; an op without `loc(…)` is located in the text that is parsed.

    `line_offset` is the number of lines before the text in its file.
    """

    def __init__(self, ctx: Context, text: str, name: str, line_offset: int = 0):
        super().__init__(ctx, "", name)
        self._parser_state = ParserState(LinearLexer(Input(text, name)))
        self._file = StringAttr(name)
        self._line_offset = line_offset
        self._line_starts = [0, *(i + 1 for i, c in enumerate(text) if c == "\n")]
        self._explicit: LocationAttr | None = None

    def _location(self, position: int) -> FileLineColLoc:
        line = bisect_right(self._line_starts, position)
        column = position - self._line_starts[line - 1] + 1
        return FileLineColLoc(self._file, IntAttr(line + self._line_offset), IntAttr(column))

    def parse_optional_location(self) -> LocationAttr | None:
        self._explicit = super().parse_optional_location()
        return self._explicit

    def parse_operation(self) -> Operation:
        start = self._current_token.span
        try:
            op = super().parse_operation()
        except ParseError:
            raise
        except Exception as error:
            # Attributes, types and ops raise errors of their own when they are built from wrong parts.
            raise ParseError(start, describe(error)) from error
        # The last location parsed is the op's own: it stands after the op's regions.
        if self._explicit is None:
            op.location = self._location(start.start)
        self._explicit = None
        return op

    def parse_located_module(self, *, implicit_module: bool = True) -> ModuleOp:
        """The whole input as a module. Raises `ParseError` for any input that cannot be read."""
        try:
            module = self.parse_module(implicit_module)
        except ParseError:
            raise
        except Exception as error:  # what stands outside all ops: alias definitions, metadata
            raise ParseError(self._current_token.span, describe(error)) from error
        if module.location == UNKNOWN_LOC:
            module.location = self._location(0)
        return module
