"""Where values were read, so that it can be seen quickly whether a second reading would find the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Look = tuple[Callable[[Any], Any], Any, Any]


class Trail:
    """The places that were read for a content: (look, where, what was found). While all of them give the same, so
    would a second reading."""

    def __init__(self) -> None:
        self.objects: list[Look] = []
        self.facts: list[Look] = []
        self.complete = True

    def holds(self) -> bool:
        """Whether every place gives what it gave."""
        return (
            self.complete
            and all([look(where) is found for look, where, found in self.objects])
            and all([look(where) == found for look, where, found in self.facts])
        )


__all__ = ["Trail"]
