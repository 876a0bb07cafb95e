"""Tuning: the search for a kernel's best config, and the fragments that tunables are declared with.

`tune` (`tuning`) searches; it is imported when something is tuned first, as are the modules below it:

- `choice`: which config a kernel runs under; asks for a search where nothing says.
- `best_configs`: what searches found, on disk.
- `strategies`: what to try next (`Strategy`: pattern search, random search, given configs).
- `priors`: where searches begin.
- `efforts`: how much to try.
- `search`: the loop that prepares, compiles ahead, checks, measures and records candidates.
- `resources`, `workers`, `worker`: compilation in other processes while the GPU measures.
- `accuracy`, `measure`: whether a candidate is right, and how long it takes.
- `progress`: what the user sees meanwhile.
"""

from __future__ import annotations

from ..passes.fragments import BooleanFragment, EnumFragment, IntegerFragment, PowerOfTwoFragment


def __getattr__(name: str) -> object:
    if name == "tune":
        from .tuning import tune  # noqa: PLC0415 - most processes tune nothing

        return tune
    if name in ("STRATEGIES", "Strategy", "Trial"):
        from . import strategies  # noqa: PLC0415 - see above

        return getattr(strategies, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["BooleanFragment", "EnumFragment", "IntegerFragment", "PowerOfTwoFragment"]
