"""`match` statements: Python matches what is known while a kernel is traced; a run-time number is compared."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any

from ... import exc
from ..rewriting import expression_code
from ..source import node_location
from ..tracer import Tracer
from .environment import Environment, is_runtime
from .python_functions import known_values

_SUBJECT, _MATCHED = "__subject__", "__matched__"


class Matching:
    """The patterns of one `match` statement on one subject."""

    def __init__(self, tracer: Tracer, environment: Environment, file: str, subject: Any):
        self.environment, self.file = environment, file
        self.subject = known_values(tracer, subject)

    def matches(self, pattern: ast.pattern) -> Any:
        """Whether the subject fits: known now, or a run-time truth value. Names of the pattern are bound."""
        if not is_runtime(self.subject):
            return self._by_python(pattern)
        return self._compared(pattern)

    def _by_python(self, pattern: ast.pattern) -> bool:
        names = self.environment.names
        names[_SUBJECT] = self.subject
        try:
            exec(_code(pattern, self.file), names)
            return bool(names.pop(_MATCHED))
        finally:
            names.pop(_SUBJECT)
            self.environment.local |= {name: None for name in captured(pattern) if name in names}

    def _compared(self, pattern: ast.pattern) -> Any:
        """A pattern on a run-time number: values, alternatives of them, and what binds a name."""
        names = self.environment.names
        if isinstance(pattern, ast.MatchAs):
            if pattern.name is not None:
                names[pattern.name] = self.subject
                self.environment.local[pattern.name] = None
            return True if pattern.pattern is None else self._compared(pattern.pattern)
        if isinstance(pattern, ast.MatchValue):
            return self.subject == eval(expression_code(pattern.value, self.file, device=True), names)
        if isinstance(pattern, ast.MatchOr):
            result: Any = False
            for each in pattern.patterns:
                fits = self._compared(each)
                result = fits if result is False else result | fits
            return result
        raise exc.StatementNotSupported(
            "a pattern of a `match` statement is more than a value, where the subject is known at run time only",
            hint="compare it with numbers: case 1 | 2", location=node_location(pattern, self.file),
        )  # fmt: skip


def captured(pattern: ast.AST) -> Iterator[str]:
    """The names that a pattern binds."""
    for node in ast.walk(pattern):
        name = node.rest if isinstance(node, ast.MatchMapping) else getattr(node, "name", None)
        if isinstance(node, ast.MatchAs | ast.MatchStar | ast.MatchMapping) and name is not None:
            yield name


def _code(pattern: ast.pattern, file: str) -> Any:
    """`match __subject__: case pattern: __matched__ = True`, kept on the pattern."""
    code = getattr(pattern, "_match_code", None)
    if code is None:
        text = f"{_MATCHED} = False\nmatch {_SUBJECT}:\n    case _:\n        {_MATCHED} = True"
        module = ast.parse(text)
        for node in ast.walk(module):
            ast.copy_location(node, pattern)
        statement = module.body[1]
        assert isinstance(statement, ast.Match)
        statement.cases[0].pattern = copy.deepcopy(pattern)
        code = compile(module, file, "exec")
        pattern._match_code = code  # type: ignore[attr-defined] - kept with the user's tree
    return code


def with_rest(node: ast.Match, finish: Callable[[list[ast.stmt]], list[ast.stmt]]) -> ast.Match:
    """The statement with each case's body as `finish` makes it; there is a case for whatever no case fits."""
    last = node.cases[-1]
    cases = [ast.match_case(case.pattern, case.guard, finish(case.body)) for case in node.cases]
    if last.guard is not None or not isinstance(last.pattern, ast.MatchAs) or last.pattern.pattern is not None:
        pattern = ast.copy_location(ast.MatchAs(), last.pattern)
        cases.append(ast.match_case(pattern, None, finish([])))
    return ast.copy_location(ast.Match(node.subject, cases), node)
