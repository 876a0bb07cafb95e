"""Sessions: which plugins the compiler has. Tests make one, use it, and drop it.

```python
with helion_ir.Session() as session:      # no plugins but its own
    session.register_pass(MyPass, at="tile-late")
    kernel(x)
```

A session that is entered is the current one of the process, whatever thread asks; else the default session is, which
has what is installed under the entry point group `helion_ir.passes`. A kernel is specialized again when the plugins of
the current session are others than before; what is bound or compiled already keeps those that it was made with.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Hashable, Sequence
from importlib.metadata import entry_points
from typing import Any, Protocol, Self, TypeVar
from weakref import WeakSet

from xdsl.ir import Dialect
from xdsl.passes import ModulePass

from . import exc
from .passes.schedule import SchedulePass, plugin_keys
from .pipeline import pass_table
from .plugins import NONE, STAGES, Kind, PassClass, Plugins, Stage

F = TypeVar("F", bound=Callable[..., Any])
ENTRY_POINTS = "helion_ir.passes"
"""Installed plugins: each is a pass class, for the stage that its class attribute `at` names (`tile-late` else)."""
NEEDS = "a pass is a class below xdsl.passes.ModulePass with a name, `apply(self, ctx, op)`, and a default per option"


_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Watcher(Protocol):
    """Who remembers what plugins decide."""

    def forget_runs(self) -> None:
        """The plugins may be others."""
        ...


class Session:
    """Plugins, by kind. Every `register_…` raises `PluginError` for what cannot be registered."""

    def __init__(self) -> None:
        self._plugins = NONE

    @property
    def plugins(self) -> Plugins:
        """The plugins now, as a value."""
        return self._plugins

    def __enter__(self) -> Self:
        _entered.append(self)
        _tell()
        return self

    def __exit__(self, *error: object) -> None:
        _entered.remove(self)
        _tell()

    def _set(self, plugins: Plugins) -> None:
        if plugins != self.plugins:
            self._plugins = plugins
            _tell()

    def _add(self, kind: Kind, name: Hashable, value: object) -> None:
        known = self.plugins.of(kind)
        if name in known and known[name] != value:
            raise exc.PluginError(f"there is a {kind} named {name!r} already")
        if name not in known:
            self._set(self.plugins.added(kind, name, value))

    def register_pass(self, pass_: PassClass, at: Stage) -> PassClass:
        """Add a pass: once per specialization after the config-free passes (`tile-early`), per config after the
        schedule (`tile-late`), or after the conversion to tl (`tl-late`).

        Where it runs per config, its options join the search space: under its own `keys` if it is a `SchedulePass`,
        else mechanically as `<pass-name>.<option>`. What it leaves is verified.
        """
        if at not in STAGES:
            raise exc.PluginError(f"unknown stage {at!r}, expected one of {', '.join(STAGES)}")
        _check_pass(pass_, at)
        known = pass_table()
        if pass_.name in known and known[pass_.name]() is not pass_:
            raise exc.PluginError(f"there is a pass named {pass_.name!r} already")
        self._add("pass", pass_.name, (at, pass_))
        return pass_

    def unregister_pass(self, pass_: PassClass) -> None:
        """Take a pass out again."""
        self._set(self.plugins.without("pass", pass_.name))

    def register_dialect(self, dialect: Dialect) -> Dialect:
        """Add a dialect, whose ops `helion-opt` then reads. What becomes of an op is said by its class: see
        `helion_ir.dialects.op_rules`."""
        known = self.plugins.of("dialect").get(dialect.name)
        if known is None or known() is not dialect:
            self._add("dialect", dialect.name, lambda: dialect)
        return dialect

    def register_operator(self, *overloads: Any) -> Callable[[F], F]:
        """Make the decorated function the lowering of operators, which are ATen overloads or functions of torch.

        It takes the tracer and the operator's arguments, and returns tensors; it goes before a lowering of ours.
        """

        def register(lowering: F) -> F:
            for overload in overloads:
                self._add("operator", overload, lowering)
            return lowering

        return register

    def implements(self, name: str) -> Callable[[F], F]:
        """Make the decorated function what the interpreter runs for calls of the jit function `name`: see
        `helion_ir.interpreter.implements`."""

        def register(function: F) -> F:
            self._set(self.plugins.added("jit function", name, function))
            return function

        return register

    def register_strategy(self, name: str, make: Callable[..., Any]) -> None:
        """Add a search for setting `autotuner`: `make(spec, seeds, copies)` gives an `autotuner.Strategy`."""
        self._add("strategy", name, make)


class _DefaultSession(Session):
    """The session of a process that enters none: with what is installed."""

    _complete = False

    @property
    def plugins(self) -> Plugins:
        if not self._complete:
            self._complete = True
            for point in entry_points(group=ENTRY_POINTS):
                pass_ = point.load()
                self.register_pass(pass_, getattr(pass_, "at", "tile-late"))
        return self._plugins


_DEFAULT = _DefaultSession()
_entered: list[Session] = []
_watching: WeakSet[Any] = WeakSet()


def _check_pass(pass_: object, at: Stage) -> None:
    """Raise `PluginError` for what cannot run as a pass of a stage."""
    if not (isinstance(pass_, type) and issubclass(pass_, ModulePass)):
        raise exc.PluginError(f"{pass_!r} is no pass class", hint=NEEDS)
    title = f"pass {pass_.__module__}.{pass_.__qualname__}"
    name = getattr(pass_, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise exc.PluginError(f"{title}: its name is {name!r}, expected words such as 'my-pass'", hint=NEEDS)
    if inspect.isabstract(pass_):
        raise exc.PluginError(f"{title}: it does not define {', '.join(pass_.__abstractmethods__)}", hint=NEEDS)
    fields = dataclasses.fields(pass_)
    needed = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    if needed:
        raise exc.PluginError(f"{title}: no default for option {', '.join(needed)}", hint=NEEDS)
    try:
        pass_.from_pass_spec(pass_().pipeline_pass_spec(include_default=True))
        keys = [] if issubclass(pass_, SchedulePass) else plugin_keys(pass_)
    except Exception as error:
        raise exc.PluginError(f"{title}: its options have no spelling in a pipeline: {error}", hint=NEEDS) from error
    if issubclass(pass_, SchedulePass):
        keys = [key.name for key in pass_.keys]
        _check_keys(title, keys)
    chosen = issubclass(pass_, SchedulePass) or any("fragment" in f.metadata for f in fields)
    if at == "tile-early" and keys and chosen:
        raise exc.PluginError(
            f"{title}: at stage tile-early there is no config yet to choose {', '.join(keys)}",
            hint="register it at tile-late, or let the options keep their defaults",
        )


def _check_keys(title: str, keys: Sequence[str]) -> None:
    for factory in pass_table().values():
        owner = factory()
        if issubclass(owner, SchedulePass) and (taken := {key.name for key in owner.keys}.intersection(keys)):
            raise exc.PluginError(f"{title}: config key {', '.join(taken)} belongs to pass {owner.name}")


def current() -> Session:
    """The session entered last, or the default one."""
    return _entered[-1] if _entered else _DEFAULT


def watch(watcher: Watcher) -> None:
    """Tell `watcher`, as long as it lives, whenever the current plugins may have changed."""
    _watching.add(watcher)


def _tell() -> None:
    for watcher in list(_watching):
        watcher.forget_runs()


def register_pass(pass_: PassClass, at: Stage) -> PassClass:
    """`Session.register_pass` of the current session."""
    return current().register_pass(pass_, at)


def unregister_pass(pass_: PassClass) -> None:
    """`Session.unregister_pass` of the current session."""
    current().unregister_pass(pass_)
