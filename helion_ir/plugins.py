"""Plugins: what users add to the compiler, as a value that compiled kernels remember."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from xdsl.passes import ModulePass

PassClass: TypeAlias = type[ModulePass]
Stage: TypeAlias = Literal["tile-early", "tile-late", "tl-late"]
STAGES: tuple[Stage, ...] = ("tile-early", "tile-late", "tl-late")
Kind: TypeAlias = Literal["pass", "dialect", "operator", "jit function", "strategy"]


@dataclass(frozen=True)
class Plugins:
    """What a session adds to the compiler: kernels are compiled alike with equal ones."""

    entries: tuple[tuple[Kind, Hashable, Any], ...] = ()
    """Kind, name, and what is added; a pass comes with its stage."""

    @cached_property
    def _by_kind(self) -> dict[Kind, dict[Any, Any]]:
        found: dict[Kind, dict[Any, Any]] = {}
        for kind, name, value in self.entries:
            found.setdefault(kind, {})[name] = value
        return found

    def of(self, kind: Kind) -> Mapping[Any, Any]:
        """What was added of one kind, by name, in the order of registration."""
        return MappingProxyType(self._by_kind.get(kind, {}))

    def passes(self, *stages: Stage) -> list[PassClass]:
        """The passes of some stages; without stages, of all."""
        return [pass_ for stage, pass_ in self.of("pass").values() if not stages or stage in stages]

    def added(self, kind: Kind, name: Hashable, value: object) -> Plugins:
        """These and one more, which replaces one of the same name."""
        return Plugins((*self.without(kind, name).entries, (kind, name, value)))

    def without(self, kind: Kind, name: Hashable) -> Plugins:
        """These without one, if it is there."""
        return Plugins(tuple(entry for entry in self.entries if entry[:2] != (kind, name)))


NONE = Plugins()

__all__ = ["NONE", "STAGES", "Kind", "PassClass", "Plugins", "Stage"]
