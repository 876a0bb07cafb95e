"""The bodies of loops and branches: what may not change in them, and what they yield."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from xdsl.ir import SSAValue

from ...dialects.names import value_name
from ..tracer import Tracer
from .environment import (
    Carried,
    Environment,
    Path,
    Snapshot,
    lift,
    variable,
)
from .lanes import Frame, Lanes
from .mutation import Watch, watch_of_body


class Regions:
    """Emits regions; bodies are given as functions."""

    def __init__(self, tracer: Tracer, environment: Environment):
        self.tracer = tracer
        self.environment = environment
        self.lanes = Lanes(tracer)

    @contextmanager
    def _frame(self, start: Snapshot) -> Iterator[Frame]:
        """The block being filled is a body that was entered with the variables of `start`."""
        frame = Frame.of(self.tracer, start)
        self.tracer.frames.append(frame)
        try:
            with self.watched(watch_of_body(self.environment)):
                yield frame
        finally:
            self.tracer.frames.pop()

    @contextmanager
    def watched(self, watch: Watch) -> Iterator[None]:
        """Raise if what `watch` observes changes within."""
        self.tracer.watches.append(watch)
        try:
            yield
            watch.check()
        finally:
            self.tracer.watches.pop()

    def settle(self) -> None:
        """After a statement: check what must not change, and keep lanes past the ends of tiles in what changed."""
        for watch in self.tracer.watches:
            watch.check()
        self.lanes.settle()

    def _lift(self, frame: Frame, carried: dict[Path, Carried], after: dict[Path, Any]) -> list[SSAValue]:
        """The values that a body yields, under the types that are carried, with the lanes that they keep."""
        lifted = {path: lift(self.tracer, variable(path), after[path], kind) for path, kind in carried.items()}
        return [self.lanes.kept(frame, path, after[path], value) for path, value in lifted.items()]

    def _put(self, path: Path, value: Any) -> None:
        """Bind a variable to a result of control flow."""
        self.environment.put(path, value)
        self.lanes.note(self.environment, path, value)

    @staticmethod
    def _name(value: SSAValue, path: Path) -> None:
        name = variable(path)
        if name.isidentifier() and not name.startswith("__"):
            value.name_hint = value_name(name)
