"""The space of one config key: its fragments, one a site, and every spelling of a value that configs may have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .. import exc
from ..passes.fragments import Fragment
from ..passes.schedule import Key


@dataclass(frozen=True)
class KeySpace:
    """One key of a kernel's search space: its fragments, one a site, and the pass that owns it."""

    key: Key
    fragments: tuple[Fragment, ...]
    owner: str

    def __len__(self) -> int:
        return len(self.fragments)

    def __getitem__(self, site: int) -> Fragment:
        return self.fragments[site]

    def __iter__(self) -> Iterator[Fragment]:
        return iter(self.fragments)

    def default(self) -> object:
        values = [fragment.default() for fragment in self.fragments]
        return values[0] if self.key.scalar else values

    def normalize(self, value: object) -> object:
        """One legal value a site from any accepted spelling; raises InvalidConfig."""
        if self.key.scalar:
            return self._legal(self._scalar(value), 0)
        entries = self._entries(value)
        return [self._legal(entry, site) for site, entry in enumerate(self._fit(entries))]

    def _scalar(self, value: object) -> object:
        if isinstance(value, list | tuple) and len(value) == 1 and not self.fragments[0].nested:
            return value[0]
        return value

    def _entries(self, value: object) -> list[object]:
        """A scalar means all sites; nested lists flatten, but a permutation is one entry."""
        if not isinstance(value, list | tuple):
            return [value] * len(self.fragments)
        if any(fragment.nested for fragment in self.fragments):
            single = bool(value) and not any(isinstance(item, list | tuple) for item in value)
            return [list(value)] if single else [list(item) if isinstance(item, tuple) else item for item in value]
        return list(_flat(value))

    def _fit(self, entries: list[object]) -> list[object]:
        count = len(self.fragments)
        if self.key.length == "resize":
            entries = entries[:count]
        if len(entries) > count or (len(entries) < count and self.key.length == "exact"):
            raise exc.InvalidConfig(
                f"{self.key.name}: expected {count} entries, got {len(entries)} ({entries!r}); "
                f"legal per entry: {'; '.join(dict.fromkeys(f.legal() for f in self.fragments)) or 'none'}"
            )
        return entries + [fragment.default() for fragment in self.fragments[len(entries) :]]

    def left_open(self, value: object) -> frozenset[int]:
        """The sites of which a given value says nothing."""
        return frozenset() if self.key.scalar else frozenset(range(len(self._entries(value)), len(self.fragments)))

    def _legal(self, value: object, site: int) -> object:
        fragment = self.fragments[site]
        if not fragment.contains(value):
            where = "" if self.key.scalar else f"[{site}]"
            raise exc.InvalidConfig(f"{self.key.name}{where}: {value!r} is not legal, expected {fragment.legal()}")
        return value


def _flat(values: Sequence[object]) -> Iterator[object]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value
