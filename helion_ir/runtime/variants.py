"""The traces of one specialization: a config is lowered from the one that holds for it.

A trace holds for all configs unless Python needed to know something of the config: the value of a tunable, how block
sizes compare. Then it holds for those that answer alike, and the first config of another answer has it made again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import exc
from ..config import Config
from ..dialects.questions import answer
from ..space.config_spec import ConfigSpec

if TYPE_CHECKING:
    from ..frontend.choices import Choices

TRACING = threading.RLock()
"""Tracing is for one thread at a time."""
_ATTEMPTS = 8
"""How often a config is asked for what another trace wants to know, before it counts as one that has no answer."""


def fits(variant: Any, full: Config) -> bool:
    """Whether a trace, a `SpecializedKernel`, holds for a config that is normalized for it."""
    traced = variant.traced
    if any(full[name] != value for name, value in traced.chosen.items()):
        return False
    sizes = variant.structures.sizes(full)
    return all(answer(question, sizes) == given for question, given in traced.answers.items())


def choices_of(variant: Any, full: Config) -> Choices:
    """What a normalized config says of what traces ask."""
    from ..frontend.choices import Choices  # noqa: PLC0415 - with PyTorch's decompositions, which take seconds

    chosen = {name: full[name] for name in variant.traced.tunables}
    return Choices(chosen, variant.structures.sizes(full), variant.traced.read)


class Variants:
    """The traces of one specialization, the first of which gives the search space; `make` traces for choices."""

    def __init__(self, first: Any, make: Callable[[Choices], Any]):
        self._first, self._make = first, make
        self._all: list[Any] = [first]
        self._found: dict[Config, tuple[Any, Config]] = {}

    def __iter__(self) -> Any:
        return iter(self._all)

    def of(self, config: Config) -> tuple[Any, Config]:
        """The trace for a config, and the config with a legal value for every key. Raises `InvalidConfig`."""
        first = self._first
        if not first.traced.chosen and not first.traced.answers:
            return first, first.config_spec.normalize(config)
        found = self._found.get(config)
        if found is None:
            variant = self._variant(config)
            found = self._found[config] = variant, self._normalized(variant, config)
        return found

    def _variant(self, config: Config) -> Any:
        """The trace that a config's tunables and block sizes choose."""
        variant = self._first
        names = {*variant.traced.tunables, "block_sizes"}
        asked = {key: value for key, value in config.items() if key in names}
        full = variant.config_spec.normalize(asked)
        for _ in range(_ATTEMPTS):
            if fits(variant, full):
                return variant
            wanted, sizes = choices_of(variant, full), full.get("block_sizes")
            variant = next((other for other in self._all if _would_fit(other, full)), None) or self._new(wanted)
            pinned = {**dict(wanted.tunables), **({} if sizes is None else {"block_sizes": sizes})}
            full = _as_legal(variant.config_spec, {**pinned, **asked}) or variant.config_spec.normalize(asked)
        raise exc.InvalidConfig(
            "the kernel asks of its block sizes what changes them: no trace of it holds for this config"
        )

    def _new(self, choices: Choices) -> Any:
        with TRACING:
            self._all.append(self._make(choices))
            return self._all[-1]

    def _normalized(self, variant: Any, config: Config) -> Config:
        """A config as one of a variant; one that is legal for the first trace has what it says of the same sites."""
        try:
            return variant.config_spec.normalize(config)
        except exc.InvalidConfig:
            if variant is self._first:
                raise
            self._first.config_spec.normalize(config)
            return variant.config_spec.normalize(_kept(variant.config_spec, config))


def _as_legal(spec: ConfigSpec, config: Mapping[str, object]) -> Config | None:
    try:
        return spec.normalize(_kept(spec, config))
    except exc.InvalidConfig:
        return None


def _would_fit(variant: Any, full: Config) -> bool:
    """Whether a trace holds for a config that is normalized for another one."""
    if any(full.get(name) != value for name, value in variant.traced.chosen.items()):
        return False
    same = _as_legal(variant.config_spec, full) if variant.traced.answers else None
    return not variant.traced.answers or (same is not None and fits(variant, same))


def _kept(spec: ConfigSpec, config: Mapping[str, object]) -> dict[str, object]:
    """What of a config another trace's sites can have."""
    kept: dict[str, object] = {}
    for key, value in config.items():
        space = spec.keys.get(key)
        if space is None:
            continue
        if isinstance(value, list | tuple) and not any(fragment.nested for fragment in space):
            value = list(value)[: len(space)]
        try:
            space.normalize(value)
        except exc.InvalidConfig:
            continue
        kept[key] = value
    return kept


def guarded(
    run: Callable[..., Any],
    evaluate: Callable[..., Hashable],
    args: Sequence[object],
    other: Callable[[Sequence[object]], Callable[..., Any]],
) -> Callable[..., Any]:
    """`run` for arguments of which `evaluate` says what it says of `args`; what `other` makes of them, for others."""
    known = {evaluate(*args): run}

    def checked(*args: object) -> Any:
        values = evaluate(*args)
        chosen = known.get(values)
        if chosen is None:
            chosen = known[values] = other(args)
        return chosen(*args)

    return checked
