"""`ConfigSpec`: the search space of one kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from random import Random

from xdsl.dialects.builtin import ModuleOp

from .. import exc
from ..config import SHORTHANDS, Config
from ..passes.fragments import Fragment, Value
from ..passes.schedule import Key, SchedulePass, plugin_keys
from ..pipeline import Pipeline
from ..plugins import PassClass
from .completion import Completion
from .keys import KeySpace


class ConfigSpec:
    """The search space of one kernel: the union over the passes of its pipeline.

    `module` is the config-free module; `tunables` are the fragments of registered tunables, by name. Each key is
    also an attribute (`spec.block_sizes[0].size_hint`); a key without sites has length 0. `interpreted`: it runs on a
    CPU, so configs are completed for a usual GPU, but those that fit none are legal.
    """

    def __init__(
        self,
        module: ModuleOp,
        pipeline: Pipeline | None = None,
        tunables: Mapping[str, Fragment] | None = None,
        *,
        interpreted: bool = False,
    ):
        self.module = module
        self._interpreted = interpreted
        self.pipeline = pipeline or Pipeline()
        self.user_defined_tunables: dict[str, Fragment] = dict(tunables or {})
        self.passes = self.pipeline.schedule() + self.pipeline.lowering()
        self._known: dict[str, Key] = {}
        self.keys: dict[str, KeySpace] = {}
        for pass_ in self.passes:
            self._add(pass_)
        for name, fragment in self.user_defined_tunables.items():
            self._insert(Key(name, scalar=True), [fragment], "frontend")
        self._all_open = {name: frozenset(range(len(space))) for name, space in self.keys.items()}

    def _add(self, pass_: PassClass) -> None:
        if issubclass(pass_, SchedulePass):
            space = pass_.search_space(self.module)
            for key in pass_.keys:
                self._insert(key, space.get(key.name, []), pass_.name)
        elif pass_ in self.pipeline.plugins.passes():
            for name, (_, fragment) in plugin_keys(pass_).items():
                self._insert(Key(name, scalar=True), [fragment], pass_.name)

    def _insert(self, key: Key, fragments: Sequence[Fragment], owner: str) -> None:
        if key.name in self._known:
            raise ValueError(f"config key {key.name!r} is claimed twice, the second time by {owner}")
        self._known[key.name] = key
        if fragments:
            self.keys[key.name] = KeySpace(key, tuple(fragments), owner)

    def __getattr__(self, name: str) -> KeySpace:
        known: dict[str, Key] = self.__dict__.get("_known", {})
        if name not in known:
            raise AttributeError(name)
        return self.keys.get(name, KeySpace(known[name], (), ""))

    @property
    def allowed_pid_types(self) -> tuple[Value, ...]:
        """The program mappings that this kernel can have."""
        return tuple(value for fragment in self.keys.get("pid_type", ()) for value in fragment.candidates())

    @cached_property
    def _completion(self) -> Completion:
        return Completion(
            self.module, self.pipeline.backend.targets, lambda key, entry, value: self.keys[key][entry].contains(value)
        )

    @cached_property
    def _default(self) -> Config:
        values = {name: space.default() for name, space in self.keys.items()}
        return Config.from_dict(self._repair(values, untuned=True))

    def default_config(self) -> Config:
        """Every key that has a site, chosen from the op mix; always legal."""
        return self._default

    def normalize(self, config: Mapping[str, object]) -> Config:
        """`config` with every key of the kernel and one legal value a site.

        What is open is chosen so that the kernel fits its device; what is given stays as it is.
        Raises InvalidConfig, which names the key, the site and the legal values: for an unknown key, an illegal
        value, a list that is too long, too few block sizes, a combination that no pass can honour, or one that cannot
        fit, with the bytes of what does not.
        """
        given = Config.from_dict(config)
        if unknown := self.unsupported_config_keys(given):
            known = ", ".join(sorted(self._known))
            raise exc.InvalidConfig(f"{', '.join(unknown)}: unknown config key; this kernel knows {known}")
        values: dict[str, object] = {}
        open_ = self._all_open
        for name, key in self._known.items():
            space = self.keys.get(name)
            if space is not None:
                values[name] = space.normalize(given[name]) if name in given else space.default()
                if name in given:
                    open_ = {**open_, name: space.left_open(given[name])}
            elif name in given and key.length != "resize" and _has_entries(given[name]):
                raise exc.InvalidConfig(f"{name}: this kernel has no site for it, got {given[name]!r}")
        values = self._completion.complete(values, open_)
        if reason := self._check(values) or self._completion.refusal(values, lanes_only=self._interpreted):
            raise exc.InvalidConfig(reason)
        return Config.from_dict(values)

    def unsupported_config_keys(self, mapping: Mapping[str, object]) -> list[str]:
        """The keys that no pass of this kernel's pipeline owns."""
        return [key for key in mapping if SHORTHANDS.get(key, key) not in self._known]

    def random(self, rng: Random) -> Config:
        """A random legal config."""
        values: dict[str, object] = {}
        for name, space in self.keys.items():
            drawn = [fragment.random(rng) for fragment in space]
            values[name] = drawn[0] if space.key.scalar else drawn
        return Config.from_dict(self._repair(values))

    def repair(self, values: Mapping[str, object]) -> Config:
        """Values that are legal one by one, mended where they are not legal together."""
        return Config.from_dict(self._repair(dict(values)))

    def shared_memory(self, config: Mapping[str, object]) -> str:
        """Which blocks take how much shared memory under a normalized config, as an estimate; empty if none does."""
        return self._completion.parts(config)

    def _schedules(self) -> Iterator[type[SchedulePass]]:
        return (pass_ for pass_ in self.passes if issubclass(pass_, SchedulePass))

    def _check(self, values: Mapping[str, object]) -> str | None:
        return next((reason for p in self._schedules() if (reason := p.check(self.module, values))), None)

    def _repair(self, values: dict[str, object], *, untuned: bool = False) -> dict[str, object]:
        for pass_ in self._schedules():
            values = pass_.repair(self.module, values)
        return self._completion.complete(values, self._all_open, untuned=untuned)


def _has_entries(value: object) -> bool:
    return bool(value) if isinstance(value, list | tuple) else False
