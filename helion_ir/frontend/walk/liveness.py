"""Which variables' values are read later: of a function's text, for each of its `for` statements."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

Names = frozenset[str]
_FUNCTIONS = (ast.FunctionDef, ast.Lambda)


@dataclass
class Liveness:
    """For each loop, the names that may be read before they are bound again: when it is reached, when an iteration
    begins, and when it is done.

    Names that functions defined in the text read are always among them.
    """

    before: dict[ast.For, Names] = field(default_factory=dict)
    begin: dict[ast.For, Names] = field(default_factory=dict)
    after: dict[ast.For, Names] = field(default_factory=dict)

    def _walk(self, statements: Sequence[ast.stmt], live: Names) -> Names:
        """The names live before `statements`, given those live after."""
        for statement in reversed(statements):
            live = self._statement(statement, live)
        return live

    def _statement(self, node: ast.stmt, live: Names) -> Names:
        if isinstance(node, ast.If):
            return _names(node.test, ast.Load) | self._walk(node.body, live) | self._walk(node.orelse, live)
        if isinstance(node, ast.For):
            return self._for(node, live)
        if isinstance(node, ast.Match):
            bodies = [self._walk(case.body, live) for case in node.cases]
            heads = [_names(part, ast.Load) for case in node.cases for part in (case.pattern, case.guard) if part]
            return live.union(_names(node.subject, ast.Load), *heads, *bodies)
        if isinstance(node, ast.While):
            head = live | _names(node.test, ast.Load)
            return head | self._walk(node.body, head | self._walk(node.body, head)) | self._walk(node.orelse, live)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr | ast.Return):
            return (live - _targets(node)) | _names(node, ast.Load)
        if isinstance(node, ast.AugAssign):
            return live | _names(node, ast.Load) | _names(node.target, ast.Store)
        nested = [part for part in ast.walk(node) if isinstance(part, ast.For)]
        for loop in nested:
            every = live | _names(node, ast.Load)
            self._note(loop, every, every, every)
        return live | _names(node, ast.Load)

    def _for(self, node: ast.For, live: Names) -> Names:
        target = _names(node.target, ast.Store)
        head = live | _names(node.target, ast.Load)
        for _ in range(2):  # what the body reads first is live at its end, too
            head = head | (self._walk(node.body, head) - target)
        before = head | _names(node.iter, ast.Load) | self._walk(node.orelse, live)
        self._note(node, before, self._walk(node.body, frozenset()) - target, live)
        return before

    def _note(self, node: ast.For, before: Names, begin: Names, after: Names) -> None:
        self.before[node] = self.before.get(node, frozenset()) | before
        self.begin[node] = self.begin.get(node, frozenset()) | begin
        self.after[node] = self.after.get(node, frozenset()) | after


def _names(node: ast.AST, context: type[ast.expr_context]) -> Names:
    return frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, context))


def _targets(node: ast.stmt) -> Names:
    """The names that a statement certainly binds; what a comprehension or `:=` in it binds may be another variable."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return frozenset(name for target in targets for name in _names(target, ast.Store))


def _captured(statements: Iterable[ast.stmt]) -> Names:
    """Names that functions in the text read when they are called."""
    functions = [node for s in statements for node in ast.walk(s) if isinstance(node, _FUNCTIONS)]
    return frozenset(name for function in functions for name in _names(function, ast.Load) - _own_names(function))


def _own_names(function: ast.FunctionDef | ast.Lambda) -> Names:
    """The variables of a function's own: its parameters, and what it binds and does not declare as another's."""
    nodes = list(_outside_functions(function.body if isinstance(function, ast.FunctionDef) else [function.body]))
    parameters = frozenset(node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg))
    bound = frozenset(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    others = [name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names]
    others += [name for node in nodes if isinstance(node, ast.comprehension) for name in _names(node.target, ast.Store)]
    return parameters | (bound - frozenset(others))


def _outside_functions(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Nodes and what is in them, without functions that they define."""
    for node in nodes:
        if not isinstance(node, _FUNCTIONS):
            yield node
            yield from _outside_functions(ast.iter_child_nodes(node))


@lru_cache(maxsize=256)
def liveness(statements: tuple[ast.stmt, ...]) -> Liveness:
    """The liveness of a function's body."""
    result = Liveness()
    result._walk(statements, _captured(statements))
    always = _captured(statements)
    for table in (result.before, result.begin, result.after):
        for node, names in table.items():
            table[node] = names | always
    return result
