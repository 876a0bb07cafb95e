"""The whole compiler on one screen: every pass, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from typing import cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from . import backends
from .backends.base import Backend
from .passes.fragments import Value
from .passes.schedule import SchedulePass, encode_option, plugin_keys
from .plugins import NONE, PassClass, Plugins

CONFIG_FREE = (
    "number-sites",
    "canonicalize",
    "tile-canonicalize",
    "drop-unit-dims",  # the blocks that the user fixed at 1; a config may add more
    "cse-sites",
    "elide-precision-casts",
    "approximate-math",  # does nothing without the setting fast_math
    "dce",
    "insert-grid-barriers",
)
"""Once per specialization. The plugins of stage `tile-early` follow."""

SCHEDULED = (
    "assign-block-sizes",
    "unroll-static-range",
    "roll-reductions",
    "drop-unit-dims",
    "reorder-loops",
    "annotate-ranges",
    "map-program-ids",
    "insert-barriers",
    "assign-indexing",
    "assign-cache-policy",
    "resolve-padding",
    "set-launch-options",
)
"""Per config, on a copy of the config-free module. The backend's `tile_passes` and stage `tile-late` follow."""

CONVERSION = "convert-tile-to-tl"
"""Between the levels. The backend's `tl_passes`, down to what it prints, and stage `tl-late` follow."""

_XDSL = {
    "canonicalize": ("xdsl.transforms.canonicalize", "CanonicalizePass"),
    "dce": ("xdsl.transforms.dead_code_elimination", "DeadCodeElimination"),
}


@cache
def pass_class(name: str) -> PassClass:
    """The pass of that name, imported when it is first asked for: ours is class `ABPass` of file `a_b.py`."""
    words = name.split("-")
    ours = f".passes.{'_'.join(words)}", f"{''.join(map(str.capitalize, words))}Pass"
    module, class_ = _XDSL.get(name, ours)
    return getattr(import_module(module, __package__), class_)


def pass_table() -> dict[str, Callable[[], PassClass]]:
    """Every pass of ours and of the backends by name, without importing any."""
    ours = dict.fromkeys(name for name in (*CONFIG_FREE, *SCHEDULED, CONVERSION) if name not in _XDSL)
    table: dict[str, Callable[[], PassClass]] = {name: partial(pass_class, name) for name in ours}
    for backend in map(backends.get, backends.names()):
        table |= {**backend.tile_passes, **backend.tl_passes}
    return table


@dataclass(frozen=True)
class Pipeline:
    """The passes that a kernel goes through: ours, a backend's, and plugins."""

    backend: Backend = field(default_factory=backends.default)
    plugins: Plugins = NONE

    def config_free(self) -> list[ModulePass]:
        """What runs once per specialization."""
        return [pass_() for pass_ in (*map(pass_class, CONFIG_FREE), *self.plugins.passes("tile-early"))]

    def schedule(self) -> list[PassClass]:
        """What runs per config at the level `tile`."""
        return [*self.backend.schedule([*map(pass_class, SCHEDULED)]), *self.plugins.passes("tile-late")]

    def lowering(self) -> list[PassClass]:
        """What runs per config from the conversion to `tl` down to what prints."""
        finishing = (factory() for factory in self.backend.tl_passes.values())
        return [pass_class(CONVERSION), *finishing, *self.plugins.passes("tl-late")]

    def scheduled(self, config: Mapping[str, object], module: ModuleOp, *, to_tl: bool = True) -> list[ModulePass]:
        """What runs for a normalized `config`, with its options; with `to_tl`, down to what prints."""
        classes = self.schedule() + (self.lowering() if to_tl else [])
        return [self._with_options(pass_, config, module) for pass_ in classes]

    def _with_options(self, pass_: PassClass, config: Mapping[str, object], module: ModuleOp) -> ModulePass:
        if issubclass(pass_, SchedulePass):
            return pass_.from_config(config, module)
        keys = plugin_keys(pass_) if pass_ in self.plugins.passes() else {}
        known = {option: cast("Value", config[key]) for key, (option, _) in keys.items() if key in config}
        return pass_(**{option: encode_option(value) for option, value in known.items()})


def pipeline_string(passes: Sequence[ModulePass]) -> str:
    """What `helion-opt -p` replays exactly."""
    return ",".join(str(pass_.pipeline_pass_spec()) for pass_ in passes)


__all__ = ["CONVERSION", "Pipeline", "pass_class", "pass_table", "pipeline_string"]
