"""Which config a specialization runs under: one that was set, the kernel's, or one of an earlier or a new search."""

from __future__ import annotations

from collections.abc import Sequence

from .. import exc
from ..config import Config
from ..runtime.specialized import SpecializedKernel
from .best_configs import recall


class ConfigChoice:
    """The choice of a config for one specialization."""

    def __init__(self, bound: SpecializedKernel) -> None:
        self._bound = bound
        self.chosen: Config | None = None
        """The config that was set, by hand or by tuning."""
        self._found: tuple[Sequence[Config], Config] | None = None
        """What a call found by search, and the kernel's configs that it was to choose from."""

    def tune(self, args: Sequence[object], force: bool, options: dict[str, object]) -> Config:
        """The best config for these arguments; without `force`, one that is known already."""
        config = None if force else self.given() or self._known()
        return self._search(args, options) if config is None else config

    def given(self) -> Config | None:
        """The config that was set, or found for the kernel's configs as they are, or its only one."""
        if self.chosen is not None:
            return self.chosen
        configs = self._bound.kernel.configs
        if self._found is not None and self._found[0] is configs:
            return self._found[1]
        return configs[0] if len(configs) == 1 else None

    def for_code(self) -> Config:
        """The config whose code is shown when none is named. RuntimeError if there is none."""
        config = self.given()
        if config is None and self._bound.settings.autotune_effort == "none":
            config = self._bound.config_spec.default_config()
        if config is None:
            raise RuntimeError(
                f"{self._bound.name}: no config provided; pass one, decorate with config=..., or ask for "
                "config_spec.default_config()"
            )
        return config

    def for_call(self, args: Sequence[object]) -> Config:
        """The config of calls from now on, the first of them with `args`: the given one, else the best one of an
        earlier search, else that of a search. Where nothing can be tuned, which is said once, or at effort none, it is
        the first of the kernel's configs, else the default one."""
        bound, configs = self._bound, self._bound.kernel.configs
        forced = bound.settings.force_autotune and self._can_tune() and self.chosen is None and self._found is None
        given = self.given()
        if given is not None and not forced:
            return given
        untuned = configs[0] if configs else bound.config_spec.default_config()
        if bound.settings.autotune_effort == "none":
            return untuned
        found = None if forced else self._known()
        if found is None and self._can_tune():
            found = self._search(args, {})
        if found is None:
            bound.kernel.say_untuned()
            return untuned
        self._found = (configs, found)
        return found

    def _search(self, args: Sequence[object], options: dict[str, object]) -> Config:
        from .tuning import tune  # noqa: PLC0415 - most processes tune nothing

        return tune(self._bound, args, **options).config

    def _known(self) -> Config | None:
        """The config that an earlier search kept on disk, if it is legal still."""
        known = recall(self._bound)
        try:
            return known and self._bound.config_spec.normalize(known)
        except exc.InvalidConfig:
            return None

    def _can_tune(self) -> bool:
        bound = self._bound
        return bound.device.type not in ("cpu", "meta") or bound.settings.autotune_benchmark_fn is not None


__all__ = ["ConfigChoice"]
