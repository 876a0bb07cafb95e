"""Tuning: the search for a kernel's best config, and the fragments that tunables are declared with.

`tune` (`tuning`) searches; it is imported when something is tuned first, as are the modules below it:

- `strategies`: what to try next (`Strategy`: pattern search, random search, given configs).
- `priors`: where searches begin.
- `efforts`: how much to try.
- `search`: the loop that prepares, compiles ahead, checks, measures and records candidates.
- `precompile`, `workers`, `worker`: compilation in other processes while the GPU measures.
- `accuracy`, `measure`: whether a candidate is right, and how long it takes.
- `progress`: what the user sees meanwhile.
"""

from __future__ import annotations

from importlib import import_module

from ..passes.fragments import BooleanFragment, EnumFragment, IntegerFragment, PowerOfTwoFragment

_LAZY = {"tune": "tuning", "Strategy": "strategies", "Trial": "strategies", "STRATEGIES": "strategies"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)


__all__ = ["BooleanFragment", "EnumFragment", "IntegerFragment", "PowerOfTwoFragment"]
