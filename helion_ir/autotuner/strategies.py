"""What to try next: strategies behind one protocol.

A strategy is asked for configs and told nothing but the history of trials: it keeps no state of the search, so that
equal histories and equal random numbers give equal proposals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Literal, Protocol, cast

from .. import exc
from ..config import Config
from ..passes.fragments import Fragment, Value
from ..passes.schedule import encode_option
from ..space.config_spec import ConfigSpec
from ..space.keys import KeySpace

Status = Literal["ok", "failed", "wrong", "pruned", "duplicate"]


@dataclass(frozen=True)
class Trial:
    """One candidate and what came of it.

    `milliseconds` is there where it was measured: for `ok`, and for a `duplicate` of a measured candidate. `reason`
    says why it was not.
    """

    config: Config
    status: Status
    milliseconds: float | None = None
    reason: str = ""


class Strategy(Protocol):
    """Proposes candidates."""

    def propose(self, history: Sequence[Trial], rng: Random, count: int) -> list[Config]:
        """At most `count` normalized configs that are worth trying after `history`; none ends the search."""
        ...


MakeStrategy = Callable[[ConfigSpec, Sequence[Config], int], Strategy]
"""Makes a strategy of a search space, configs to begin with (the default first), and a number of copies."""

_ATTEMPTS = 20
"""Random draws that may be known already, for each one that is asked for, before a space counts as exhausted."""


@dataclass(frozen=True)
class FiniteSearch:
    """Just the given configs."""

    configs: Sequence[Config]

    def __post_init__(self) -> None:
        if len(self.configs) < 2:
            raise exc.NotEnoughConfigs(
                f"a search among given configs needs two or more of them, got {len(self.configs)}",
                hint="decorate with configs=[…], or let autotuner='pattern' search the kernel's space",
            )

    def propose(self, history: Sequence[Trial], rng: Random, count: int) -> list[Config]:
        return _new(self.configs, history, count)


@dataclass(frozen=True)
class RandomSearch:
    """The given configs, then legal configs drawn at random."""

    spec: ConfigSpec
    seeds: Sequence[Config]

    @classmethod
    def of(cls, spec: ConfigSpec, seeds: Sequence[Config], copies: int) -> RandomSearch:
        return cls(spec, seeds)

    def propose(self, history: Sequence[Trial], rng: Random, count: int) -> list[Config]:
        drawn = (self.spec.random(rng) for _ in range(count * _ATTEMPTS))
        return _new(_chain(() if history else self.seeds, drawn), history, count)


@dataclass(frozen=True)
class PatternSearch:
    """Pattern search around the best configs so far.

    It begins with the seeds and random walks from them. From then on it takes the `copies` best configs; the better
    one, the more of the proposals change one coordinate of it (a site, or all sites of a key alike) by one step; keys
    that do something by default (blocks, warps, stages) come before hints. Where all of these are known, which is
    a plateau, walks of two and more steps follow. While nothing works yet, it
    draws at random.
    """

    spec: ConfigSpec
    seeds: Sequence[Config]
    copies: int = 5

    def propose(self, history: Sequence[Trial], rng: Random, count: int) -> list[Config]:
        if not history:
            walks = (walk(self.spec, rng.choice(self.seeds), rng) for _ in range(count * _ATTEMPTS))
            return _new(_chain(self.seeds, walks), history, count)
        leaders = leading(history, self.copies)
        if not leaders:
            return RandomSearch(self.spec, self.seeds).propose(history, rng, count)
        known = _KnownConfigs(history)
        chosen: list[Config] = []
        for leader in leaders:
            share = max((count - len(chosen) + 1) // 2, 1)
            steps = _shuffled(neighbors(self.spec, leader, hints=False), rng)
            steps += _shuffled(neighbors(self.spec, leader, hints=True), rng)
            chosen += islice(known.fresh(steps), min(share, count - len(chosen)))
        walks = (walk(self.spec, rng.choice(leaders), rng, steps=rng.randint(2, 4)) for _ in range(count * _ATTEMPTS))
        chosen += islice(known.fresh(walks), count - len(chosen))
        return chosen


STRATEGIES: dict[str, MakeStrategy] = {"pattern": PatternSearch, "random": RandomSearch.of}
"""By the name of setting `autotuner`; the first is what searches use that name none."""
FINITE = "finite"
"""The name of the search among the kernel's own configs, which several of them ask for anyway."""


class _KnownConfigs:
    """Which configs were proposed before."""

    def __init__(self, history: Iterable[Trial]) -> None:
        self._known = {trial.config for trial in history}

    def fresh(self, configs: Iterable[Config]) -> Iterator[Config]:
        """Those of `configs` that were not, each once."""
        for config in configs:
            if config not in self._known:
                self._known.add(config)
                yield config


def _new(configs: Iterable[Config], history: Sequence[Trial], count: int) -> list[Config]:
    return list(islice(_KnownConfigs(history).fresh(configs), count))


def _chain(first: Iterable[Config], then: Iterable[Config]) -> Iterator[Config]:
    yield from first
    yield from then


def leading(history: Iterable[Trial], count: int) -> list[Config]:
    """The best measured configs, best first; ties by order of trial."""
    measured = [trial for trial in history if trial.status == "ok" and trial.milliseconds is not None]
    measured.sort(key=lambda trial: cast("float", trial.milliseconds))
    return [trial.config for trial in measured[:count]]


def _shuffled(configs: Iterable[Config], rng: Random) -> list[Config]:
    found = list(configs)
    rng.shuffle(found)
    return found


def neighbors(spec: ConfigSpec, config: Config, hints: bool | None = None) -> Iterator[Config]:
    """The legal configs one step from `config`: of one site, and of all sites of a key that have equal candidates.

    `hints`: only of keys that are idle by default, or only of the others.
    """
    for name, space in spec.keys.items():
        if hints is not None and hints is not _is_hint(space):
            continue
        for entries in _steps(space, _entries(space, config)):
            yield _with(spec, config, {name: entries})


def _is_hint(space: KeySpace) -> bool:
    """Whether a key changes nothing by default, at any site."""
    idle = space.key.idle
    return idle is not None and all(encode_option(fragment.default()) == idle for fragment in space)


def _steps(space: KeySpace, entries: list[Value]) -> Iterator[list[Value]]:
    for site, fragment in enumerate(space):
        for value in fragment.neighbors(entries[site]):
            yield [*entries[:site], value, *entries[site + 1 :]]
    if _alike(space):
        for value in space[0].candidates():
            yield [value] * len(space)


def _alike(space: KeySpace) -> bool:
    """Whether a key has several sites, which can all be set to one value."""
    return len(space) > 1 and all(fragment == space[0] for fragment in space)


def walk(spec: ConfigSpec, config: Config, rng: Random, steps: int | None = None) -> Config:
    """A legal config some random steps from `config`: in `steps` keys, else in a random share of them.

    Steps rather than draws: block sizes stay near those that fit the kernel's op mix, which the default has. Keys
    that can be idle (hints, mostly) are moved half as often as those that every kernel has a value for.
    """
    names = list(spec.keys)
    if steps is None:
        share = rng.choice((0.15, 0.3, 0.5))
        chosen = [name for name in names if rng.random() < share * (2 if spec.keys[name].key.idle is None else 1)]
    else:
        chosen = rng.sample(names, min(steps, len(names)))
    changed: dict[str, list[Value]] = {}
    for name in chosen:
        space = spec.keys[name]
        entries = _entries(space, config)
        if _alike(space) and rng.random() < 0.5:
            entries = [_wander(space[0], entries[0], rng)] * len(space)
        else:
            entries = [_wander(fragment, value, rng) for fragment, value in zip(space, entries, strict=True)]
        changed[name] = entries
    return _with(spec, config, changed)


def _wander(fragment: Fragment, value: Value, rng: Random) -> Value:
    """`value` after no step up to two."""
    for _ in range(rng.choice((0, 1, 1, 2))):
        if near := fragment.neighbors(value):
            value = rng.choice(near)
    return value


def _entries(space: KeySpace, config: Config) -> list[Value]:
    """The values of a key, one a site; a key that a config leaves out has the value None."""
    value = config.get(space.key.name)
    if space.key.scalar:
        return [cast("Value", value)]
    return list(cast("Sequence[Value]", value)) if isinstance(value, list | tuple) else [cast("Value", value)]


def _with(spec: ConfigSpec, config: Config, changed: dict[str, list[Value]]) -> Config:
    """`config` with other values of some keys, mended where they are not legal together."""
    values: dict[str, object] = dict(config.config)
    for name, entries in changed.items():
        values[name] = entries[0] if spec.keys[name].key.scalar else list(entries)
    return spec.repair(values)


__all__ = [
    "STRATEGIES",
    "FiniteSearch",
    "PatternSearch",
    "RandomSearch",
    "Strategy",
    "Trial",
    "leading",
    "neighbors",
    "walk",
]
