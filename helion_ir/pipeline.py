"""The whole compiler on one screen: every pass, in order, and the search space that they span."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from random import Random
from typing import Literal, TypeAlias, cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from . import backends, exc
from .backends.base import Backend
from .config import SHORTHANDS, Config
from .passes.fragments import Fragment, Value
from .passes.schedule import Key, SchedulePass, encode_option, plugin_keys
from .space.completion import Completion

PassClass: TypeAlias = type[ModulePass]
PassFactory: TypeAlias = Callable[[], PassClass]
Stage: TypeAlias = Literal["tile-early", "tile-late", "tl-late"]


def lazy(module: str, name: str) -> PassFactory:
    """A factory that imports the pass class when it is first asked for."""
    return cache(lambda: cast("PassClass", getattr(import_module(module, __package__), name)))


CONFIG_FREE: tuple[PassFactory, ...] = (
    lazy(".passes.number_sites", "NumberSitesPass"),
    lazy("xdsl.transforms.canonicalize", "CanonicalizePass"),
    lazy(".passes.tile_canonicalize", "TileCanonicalizePass"),
    lazy(".passes.drop_unit_dims", "DropUnitDimsPass"),  # the blocks that the user fixed at 1; a config may add more
    lazy(".passes.cse_sites", "CseSitesPass"),
    lazy(".passes.elide_precision_casts", "ElidePrecisionCastsPass"),
    lazy(".passes.approximate_math", "ApproximateMathPass"),  # does nothing without the setting fast_math
    lazy("xdsl.transforms.dead_code_elimination", "DeadCodeElimination"),
)
"""Once per specialization."""

SCHEDULED: tuple[PassFactory, ...] = (
    lazy(".passes.assign_block_sizes", "AssignBlockSizesPass"),
    lazy(".passes.unroll_static_range", "UnrollStaticRangePass"),
    lazy(".passes.roll_reductions", "RollReductionsPass"),
    lazy(".passes.drop_unit_dims", "DropUnitDimsPass"),
    lazy(".passes.reorder_loops", "ReorderLoopsPass"),
    lazy(".passes.annotate_ranges", "AnnotateRangesPass"),
    lazy(".passes.map_program_ids", "MapProgramIdsPass"),
    lazy(".passes.insert_barriers", "InsertBarriersPass"),
    lazy(".passes.assign_indexing", "AssignIndexingPass"),
    lazy(".passes.assign_cache_policy", "AssignCachePolicyPass"),
    lazy(".passes.resolve_padding", "ResolvePaddingPass"),
    lazy(".passes.set_launch_options", "SetLaunchOptionsPass"),
)
"""Per config, on a clone of the config-free module."""

TO_TL: PassFactory = lazy(".passes.convert_tile_to_tl", "ConvertTileToTlPass")
"""After the schedule, which a backend may add to; the rest is the backend's."""

_PLUGINS: dict[Stage, list[PassClass]] = {"tile-early": [], "tile-late": [], "tl-late": []}


def register_pass(pass_: PassClass, at: Stage) -> PassClass:
    """Add a plugin pass: after the config-free passes, after the schedule, or after the conversion to tl.

    Its options join the search space: under its own `keys` if it is a `SchedulePass`, else mechanically as
    `<pass-name>.<option>`. Raises ValueError for an unknown stage or a name that is taken.
    """
    if at not in _PLUGINS:
        raise ValueError(f"unknown stage {at!r}, expected one of {', '.join(_PLUGINS)}")
    if pass_.name in pass_table() and pass_table()[pass_.name]() is not pass_:
        raise ValueError(f"there is a pass named {pass_.name!r} already")
    if pass_ not in _PLUGINS[at]:
        _PLUGINS[at].append(pass_)
    return pass_


def unregister_pass(pass_: PassClass) -> None:
    """Take a plugin pass out again."""
    for passes in _PLUGINS.values():
        if pass_ in passes:
            passes.remove(pass_)


def has_plugins() -> bool:
    """Whether there is a pass that is not ours, of which nobody knows what it reads."""
    return any(_PLUGINS.values())


def config_free_passes() -> list[ModulePass]:
    """The passes that run once per specialization."""
    return [factory()() for factory in CONFIG_FREE]


def schedule_classes(backend: Backend | None = None) -> list[PassClass]:
    """The per-config passes on the tile level, in order; `backend`: the default one."""
    scheduled = (backend or backends.default()).schedule([factory() for factory in SCHEDULED])
    return [*_PLUGINS["tile-early"], *scheduled, *_PLUGINS["tile-late"]]


def lowering_classes(backend: Backend | None = None) -> list[PassClass]:
    """The per-config passes from the conversion to `tl` down to what prints, in order."""
    finishing = (factory() for factory in (backend or backends.default()).tl_passes.values())
    return [TO_TL(), *finishing, *_PLUGINS["tl-late"]]


def scheduled_passes(
    config: Mapping[str, object], module: ModuleOp, *, to_tl: bool = True, backend: Backend | None = None
) -> list[ModulePass]:
    """The per-config passes with the options of a normalized `config`; with `to_tl`, down to what prints."""
    classes = schedule_classes(backend) + (lowering_classes(backend) if to_tl else [])
    return [_with_options(pass_, config, module) for pass_ in classes]


def _with_options(pass_: PassClass, config: Mapping[str, object], module: ModuleOp) -> ModulePass:
    if issubclass(pass_, SchedulePass):
        return pass_.from_config(config, module)
    options = {
        option: encode_option(cast("Value", config[key]))
        for key, (option, _) in (plugin_keys(pass_).items() if _is_plugin(pass_) else ())
        if key in config
    }
    return pass_(**options)


def _is_plugin(pass_: PassClass) -> bool:
    return any(pass_ in passes for passes in _PLUGINS.values())


def pipeline_string(passes: Sequence[ModulePass]) -> str:
    """What `helion-opt -p` replays exactly."""
    return ",".join(str(pass_.pipeline_pass_spec()) for pass_ in passes)


def pass_table() -> dict[str, PassFactory]:
    """Every pass of ours by name, the plugins included, without importing any built-in one."""
    table = {_pass_name(name): factory for name, factory in _OWN.items()}
    for name in backends.names():
        backend = backends.get(name)
        table |= {**backend.tile_passes, **backend.tl_passes}
    for passes in _PLUGINS.values():
        table.update({pass_.name: (lambda pass_=pass_: pass_) for pass_ in passes})
    return table


_OWN: dict[str, PassFactory] = {}


def _pass_name(file: str) -> str:
    return file.replace("_", "-")


def _register_own() -> None:
    """Our passes by file name: file `a_b.py` = pass `a-b` = class `ABPass`."""
    files = (
        "number_sites", "tile_canonicalize", "cse_sites", "elide_precision_casts", "approximate_math",
        "assign_block_sizes", "unroll_static_range", "reorder_loops", "drop_unit_dims", "roll_reductions",
        "annotate_ranges", "map_program_ids", "insert_barriers", "assign_indexing", "assign_cache_policy",
        "resolve_padding", "set_launch_options", "convert_tile_to_tl",
    )  # fmt: skip
    for file in files:
        _OWN[file] = lazy(f".passes.{file}", "".join(word.capitalize() for word in file.split("_")) + "Pass")


_register_own()


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


class ConfigSpec:
    """The search space of one kernel: the union over the passes of its pipeline.

    `module` is the config-free module; `tunables` are the fragments of registered tunables, by name. Each key is
    also an attribute (`spec.block_sizes[0].size_hint`); a key without sites has length 0. `backend`: whose passes it
    goes through, by default those of `backends.default`. `interpreted`: it runs on a CPU, so configs are completed for
    a usual GPU, but those that fit none are legal.
    """

    def __init__(
        self,
        module: ModuleOp,
        tunables: Mapping[str, Fragment] | None = None,
        *,
        backend: Backend | None = None,
        interpreted: bool = False,
    ):
        self.module = module
        self._interpreted = interpreted
        self._targets = (backend or backends.default()).targets
        self.user_defined_tunables: dict[str, Fragment] = dict(tunables or {})
        self.passes = schedule_classes(backend) + lowering_classes(backend)
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
        elif _is_plugin(pass_):
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
        return Completion(self.module, self._targets, lambda key, entry, value: self.keys[key][entry].contains(value))

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
