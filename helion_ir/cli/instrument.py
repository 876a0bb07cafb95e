"""What happens between passes: printing, numbered dumps, verification."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.printer import Printer

from .. import backends
from ..dialects.verify import verify_module
from ..passes.schedule import Option, SchedulePass, decode_option, decode_permutation, plugin_keys
from ..pipeline import Pipeline
from ..session import current
from ..space.config_spec import ConfigSpec
from ..space.keys import KeySpace
from .diagnostics import OperationError, describe


def module_text(module: ModuleOp, *, locations: bool = False) -> str:
    """The module as text; `locations` makes it replayable without loss."""
    stream = StringIO()
    Printer(stream=stream, print_debuginfo=locations).print_op(module)
    return stream.getvalue() + "\n"


@dataclass
class Dumps:
    """Which modules to show, on standard output or as files in `directory`."""

    before: Sequence[str] = ()
    after: Sequence[str] = ()
    on_change: bool = False
    directory: Path | None = None
    _last: str | None = None
    _number: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.directory is not None:
            self.directory.mkdir(parents=True, exist_ok=True)

    def between(self, previous: str | None, module: ModuleOp, following: str | None) -> None:
        """Show the module between two passes; either is None at an end of the pipeline."""
        if previous in self.after:
            self._show(f"IR after {previous}", module_text(module))
        if self.on_change:
            text = module_text(module)
            if previous is not None and text != self._last:
                self._show(f"IR changed by {previous}", text)
            self._last = text
        if following in self.before:
            self._show(f"IR before {following}", module_text(module))
        if self.directory is not None:
            path = self.directory / f"{self._number:02d}-{previous or 'input'}.mlir"
            path.write_text(module_text(module, locations=True), encoding="utf-8")
            self._number += 1

    def _show(self, title: str, text: str) -> None:
        sys.stdout.write(f"// {title}:\n{text}\n")


class OptionCheck:
    """The options in a pipeline are as legal as those of a config: the passes that own them are asked, once."""

    def __init__(self, passes: Sequence[ModulePass], target: str) -> None:
        self._passes, self._target, self._asked = passes, target, False

    def before(self, following: ModulePass | None, module: ModuleOp) -> None:
        """Look before the first pass that a config steers: the module is config-free there. Raises `InvalidConfig`."""
        plugins = current().plugins
        if self._asked or not (isinstance(following, SchedulePass) or type(following) in plugins.passes()):
            return
        self._asked = True
        backend = backends.get(self._target) if self._target in backends.names() else backends.default()
        spec = ConfigSpec(module, Pipeline(backend, plugins), interpreted=True)
        given: dict[str, object] = {}
        for pass_ in self._passes:
            if isinstance(pass_, SchedulePass):
                for name, option in pass_.given().items():
                    given[name] = _decoded(cast("Option | tuple[Option, ...]", option), spec.keys.get(name))
            elif type(pass_) in plugins.passes():
                given |= {key: getattr(pass_, option) for key, (option, _) in plugin_keys(type(pass_)).items()}
        spec.normalize(given)


def _decoded(option: Option | tuple[Option, ...], space: KeySpace | None) -> object:
    """What stands in a config for an option of a pass, which may have one value a site."""
    if isinstance(option, tuple):
        nested = space is not None and any(fragment.nested for fragment in space)
        return [list(decode_permutation(each)) if nested else decode_option(each) for each in option]
    return decode_option(option)


def verify_located(module: ModuleOp) -> None:
    """Verify a module, dominance and scoping included.

    Raises `OperationError` at the op that is wrong by itself, `VerifyException` for what is wrong between ops.
    """
    for op in module.walk():
        try:
            op.verify(verify_nested_ops=False)
        except Exception as error:
            # A verifier that meets IR which no other check has rejected may fail in any way.
            raise OperationError(describe(error), op) from error
    verify_module(module)
