"""The entry of the autotuner: settings in, the best config out, kept on disk."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Sequence

import torch

from .. import exc
from ..config import Config
from ..runtime.specialized import SpecializedKernel
from ..settings import Settings
from ..space.config_spec import ConfigSpec
from ..specialization.tensor_spec import tensors_in
from .best_configs import remember
from .efforts import EFFORTS
from .priors import priors
from .progress import Reporter, decorator_line, milliseconds
from .search import Outcome, Search
from .strategies import FINITE, STRATEGIES, FiniteSearch, Strategy


def tune(bound: SpecializedKernel, args: Sequence[object], **options: object) -> Outcome:
    """Search the best config of a bound kernel, and keep it on disk.

    Args:
        bound: the kernel; several `configs` of it are all that is tried.
        args: the arguments it was bound for, real tensors. They are copied; nothing changes them.
        options: settings that hold for this search, by name (`autotune_budget_seconds=30`).

    Raises:
        TypeError: an unknown option.
        AutotuningDisallowedInEnvironment: `HELION_DISALLOW_AUTOTUNING=1`.
        AutotuneError: nothing can be measured here, or the default config fails.
        NoConfigFound: no config works.
        TritonUnrecoverableRuntimeError: a candidate broke the device for this process; the best so far is kept.
    """
    settings = _with_options(bound.settings, options)
    if os.environ.get("HELION_DISALLOW_AUTOTUNING", "0") == "1":
        raise exc.AutotuningDisallowedInEnvironment(f"{bound.name} may not be tuned: HELION_DISALLOW_AUTOTUNING is set")
    if bound.device.type == "cpu" and settings.autotune_benchmark_fn is None:
        raise exc.AutotuneError(
            f"{bound.name}: its arguments are on a CPU, where nothing is tuned without autotune_benchmark_fn"
        )
    args = bound.signature.complete(args)
    if any(tensor.is_meta for tensor in tensors_in(list(args))):
        raise exc.AutotuneError(f"{bound.name}: tuning runs the kernel, it needs real tensors")
    if settings.autotune_effort == "none":
        raise exc.AutotuneError(f"{bound.name}: at autotune_effort 'none' nothing is searched")
    with Reporter(bound.name, settings) as reporter:
        effort = EFFORTS[settings.autotune_effort]
        try:
            search = Search(bound, args, settings, _strategy(bound, settings), effort, reporter)
        except torch.OutOfMemoryError as error:
            raise exc.AutotuneError(
                f"{bound.name}: there is no memory for a copy of the arguments: {error}",
                hint="tune on smaller arguments, and give the kernel the config that is found",
            ) from error
        try:
            outcome = search.run()
        except exc.TritonUnrecoverableRuntimeError:
            if search.best is not None:
                remember(bound, search.best)  # for the next process; this one can run nothing any more
            raise
        _tell(outcome, bound, reporter)
    bound.forget_lowered()
    remember(bound, outcome.config)
    return outcome


def _with_options(settings: Settings, options: dict[str, object]) -> Settings:
    settings = copy.copy(settings)
    for name, value in options.items():
        try:
            setattr(settings, name, value)
        except AttributeError:
            raise TypeError(f"autotune(): unknown option {name!r}; options are settings by name") from None
    return settings


def _strategy(bound: SpecializedKernel, settings: Settings) -> Strategy:
    """The strategy that the kernel's configs, or setting `autotuner`, ask for."""
    spec = bound.config_spec
    given = [spec.normalize(config) for config in bound.kernel.configs]
    if len(given) > 1 or settings.autotuner == FINITE:
        return FiniteSearch(given)
    strategies = {**STRATEGIES, **bound.pipeline.plugins.of("strategy")}
    name = settings.autotuner or next(iter(strategies))
    if name not in strategies:
        raise exc.InvalidAPIUsage(f"setting autotuner={name!r}: the strategies are {', '.join(strategies)}")
    seeds = [_config(seed) for seed in settings.autotune_seed_configs]
    default = spec.normalize(spec.default_config())
    effort = EFFORTS[settings.autotune_effort]
    begin = [default, *given, *(spec.normalize(seed) for seed in seeds), *priors(spec)]
    return strategies[name](spec, begin, effort.copies)


def _config(seed: object) -> Config:
    return seed if isinstance(seed, Config) else Config.from_dict(seed)  # pyright: ignore[reportArgumentType]


def _tell(outcome: Outcome, bound: SpecializedKernel, reporter: Reporter) -> None:
    reporter.say(
        f"{'interrupted' if outcome.interrupted else 'tuned'}: {milliseconds(outcome.milliseconds)} after "
        f"{outcome.seconds_to_best:.0f} of {outcome.seconds:.0f} s; {outcome.tried} tried, {outcome.failed} failed, "
        f"{outcome.wrong} wrong, {outcome.pruned} pruned"
    )
    reporter.say(decorator_line(pinned(outcome.config, bound.config_spec)), logging.WARNING)


def pinned(config: Config, spec: ConfigSpec) -> Config:
    """`config` without hints that it leaves at their defaults; what every kernel has a value for stays, so that other
    defaults of a later version do not change it."""
    changed = config.minimize(spec)
    kept = {key: value for key, value in config.items() if key in changed or spec.keys[key].key.idle is None}
    return Config.from_dict(kept)


__all__ = ["Outcome", "pinned", "tune"]
