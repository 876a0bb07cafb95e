"""`hl.register_tunable`: a value that the config chooses, as Python sees it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import torch

from ... import exc
from ... import language as hl
from ...config import SHORTHANDS
from ...language.api import implement
from ...passes.fragments import Fragment
from ...passes.schedule import SchedulePass
from ...pipeline import Pipeline
from ..tracer import Tracer

_TYPES = (int, float, str, bool, type(None))


@implement(hl.register_tunable)
def register_tunable(tracer: Tracer, name: Any, fragment: Any) -> Any:
    if tracer.in_device:
        raise exc.NotAllowedOnDevice("hl.register_tunable is host code", hint="call it before the outermost loop")
    if not isinstance(name, str) or not name.isidentifier():
        raise exc.RegisterTunableArgTypes(f"the name of a tunable is a string that is an identifier, got {name!r}")
    if not isinstance(fragment, Fragment):
        raise exc.RegisterTunableArgTypes(
            f"a tunable takes a fragment, got {type(fragment).__name__}",
            hint="IntegerFragment, PowerOfTwoFragment, EnumFragment or BooleanFragment of helion_ir.autotuner",
        )
    _check_values(name, fragment)
    if name in _config_keys(tracer):
        raise exc.TunableNameConflict(f"{name!r} is a config key already", hint="give the tunable another name")
    value = tracer.asked.tunable(name, fragment)
    tracer.registered(repr(value))
    return value


def _check_values(name: str, fragment: Fragment) -> None:
    """Raise for limits that are no constants, and for values that no config holds."""
    given: Any = fragment
    for value in [getattr(given, each.name) for each in fields(given)] if is_dataclass(given) else []:
        if any(isinstance(each, torch.SymInt | torch.SymFloat) for each in _each(value)):
            raise exc.ConfigSpecFragmentWithSymInt(
                f"a limit of the tunable {name!r} is a size that is not known at compile time",
                hint="hl.specialize() makes a size a constant",
            )
    for value in (fragment.default(), *getattr(fragment, "choices", ())):
        if not isinstance(value, _TYPES):
            raise exc.TunableTypeNotSupported(
                f"the tunable {name!r} would be a {type(value).__name__}",
                hint="a tunable is an int, a float, a bool or a string",
            )


def _each(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


def _config_keys(tracer: Tracer) -> set[str]:
    """The keys of configs that are taken."""
    pipeline = Pipeline(tracer.backend)
    keys = set(SHORTHANDS)
    for pass_ in (*pipeline.schedule(), *pipeline.lowering()):
        if issubclass(pass_, SchedulePass):
            keys |= {key.name for key in pass_.keys}
    return keys
