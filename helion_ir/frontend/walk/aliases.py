"""Variables that are one tensor: an in-place operation on one of them changes all, also across control flow.

In straight code they share a `DeviceTensor`. A loop carries one value for variables that are one tensor at the
beginning and the end of its body. Where that differs (one is rebound, or bound to another's tensor), or where the arms
of a branch disagree, it is unknown at compile time which variables share a tensor: then in-place
operations are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..tensors import DeviceTensor
from .environment import Path, Snapshot, variable


def groups_of(leaves: Mapping[Path, Any]) -> list[list[Path]]:
    """The variables that share a tensor with another, by tensor."""
    groups: dict[int, list[Path]] = {}
    for path, leaf in leaves.items():
        if isinstance(leaf, DeviceTensor):
            groups.setdefault(id(leaf), []).append(path)
    return [group for group in groups.values() if len(group) > 1]


def guard(tensors: Iterable[Any], paths: Iterable[Path]) -> None:
    """In-place operations on tensors that may be the same as others, by the names of the variables, are refused."""
    names = ", ".join(dict.fromkeys(repr(variable(path)) for path in paths))
    for tensor in tensors:
        if isinstance(tensor, DeviceTensor):
            tensor.may_alias = names


class Sharing:
    """The variables of a loop that share a tensor, as far as walks of the body found."""

    def __init__(self, start: Snapshot):
        self._first: dict[Path, Path] = {}
        self._guarded: dict[Path, list[Path]] = {}
        for group in groups_of(start.leaves):
            self._first |= dict.fromkeys(group, group[0])
        self.members: dict[Path, list[Path]] = {}
        self._index()

    def _index(self) -> None:
        self.members = {}
        for path, first in self._first.items():
            self.members.setdefault(first, []).append(path)

    def first(self, path: Path) -> Path:
        """The variable that represents all variables that are one tensor with `path` throughout the loop."""
        return self._first.get(path, path)

    def of(self, path: Path) -> list[Path]:
        """All variables that `path` represents."""
        return self.members.get(path, [path])

    def protect(self, path: Path, tensor: Any) -> None:
        """Refuse in-place operations on what `path` is bound to, if it may be another's."""
        if path in self._guarded:
            guard([tensor], self._guarded[path])

    def learn(self, start: Snapshot, after: Mapping[Path, Any]) -> bool:
        """Compare who shares at the end of the body; whether that tells something new."""
        known = len(self._guarded)
        for members in list(self.members.values()):
            if len({id(after.get(path)) for path in members}) > 1:
                self._part(members)
        for group in groups_of({path: after[path] for path in start.leaves if path in after}):
            if len({self.first(path) for path in group}) > 1:
                self._part(sorted({other for path in group for other in self.of(self.first(path))}, key=str))
        return len(self._guarded) > known

    def _part(self, paths: list[Path]) -> None:
        for path in paths:
            self._first.pop(path, None)
            self._guarded.setdefault(path, paths)
        self._index()

    def guarded(self) -> Iterable[Path]:
        """The variables that may share with others after the loop."""
        return self._guarded


def joined_by(arms: Iterable[Mapping[Path, Any]]) -> tuple[dict[Path, tuple[int, ...]], list[list[Path]]]:
    """For the tensors at the ends of the arms of a branch: by path who is one in all of them, and who only in some."""
    arms = list(arms)
    keys = {
        path: tuple(id(leaves.get(path)) for leaves in arms)
        for path, leaf in arms[0].items()
        if isinstance(leaf, DeviceTensor) and all(isinstance(leaves.get(path), DeviceTensor) for leaves in arms)
    }
    unsure = [
        group
        for leaves in arms
        for group in groups_of({path: leaves[path] for path in keys})
        if len({keys[path] for path in group}) > 1
    ]
    return keys, unsure
