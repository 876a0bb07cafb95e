"""Runs passes over a module, and shows, saves and verifies what each one leaves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from io import StringIO
from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.math import Math
from xdsl.dialects.scf import Scf
from xdsl.passes import ModulePass
from xdsl.printer import Printer
from xdsl.utils.exceptions import PassFailedException, VerifyException

from ..dialects.verify import verify_module
from ..exc import InternalError, PluginError
from ..files import kept_file
from ..pipeline import pipeline_string
from ..plugins import NONE, Plugins
from ..settings import Settings
from ..universe import HELION_UNIVERSE


@cache
def context(plugins: Plugins = NONE) -> Context:
    """The context that passes run in, with the dialects that the IR uses; ours are loaded at their first use."""
    result = Context()
    for dialect in (Builtin, Arith, Math, Scf):
        result.load_dialect(dialect)
    for name, factory in {**HELION_UNIVERSE.all_dialects, **plugins.of("dialect")}.items():
        result.register_dialect(name, factory)
    return result


def ir_text(module: ModuleOp) -> str:
    """The module as text with locations, so that a replay prints the same comments."""
    stream = StringIO()
    Printer(stream, print_debuginfo=True).print_op(module)
    return stream.getvalue() + "\n"


class Stages:
    """The compilation of one kernel, watched as its settings ask: `print_ir`, `dump_dir`, `verify_each`."""

    def __init__(self, name: str, settings: Settings, plugins: Plugins = NONE) -> None:
        self._name, self._context, self._plugins = name, context(plugins), plugins.passes()
        self._shown = settings.print_ir
        self._folder = None if not settings.dump_dir else Path(settings.dump_dir) / name
        self._verify = settings.verify_each
        self._count = 0

    def run(
        self,
        passes: Sequence[ModulePass],
        module: ModuleOp,
        *,
        start: ModuleOp | None = None,
        after: Callable[[str, ModuleOp], None] | None = None,
    ) -> None:
        """Apply the passes in place; `after` is called with each pass's name and what it left.

        `start` is an unchanged copy of `module`, if the caller has one. Raises `PluginError` for a plugin that fails or
        leaves IR that does not verify, `InternalError` for a pass of ours that does, with a file to replay if there
        is a copy to make it of.
        """
        watched = bool(self._shown or self._folder)
        if self._verify and start is None:
            start = module.clone()
        for pass_ in passes:
            if type(pass_) in self._plugins:
                self._run_plugin(pass_, module)
            else:
                try:
                    pass_.apply(self._context, module)
                    if self._verify:
                        verify_module(module)
                except (PassFailedException, VerifyException) as error:
                    file = _reproducer(self._name, passes, start)
                    raise InternalError(f"pass {pass_.name} on kernel {self._name}: {error}{file}") from error
            if watched:
                self.show(pass_.name, module)
            if after is not None:
                after(pass_.name, module)

    def _run_plugin(self, pass_: ModulePass, module: ModuleOp) -> None:
        """Apply a plugin's pass and verify what it left. Raises `PluginError`."""
        title = f"plugin pass {pass_.name} on kernel {self._name}"
        try:
            pass_.apply(self._context, module)
        except Exception as error:
            raise PluginError(f"{title}: {type(error).__name__}: {error}") from error
        try:
            verify_module(module)
        except Exception as error:  # a verifier that meets IR which no other check has rejected may fail in any way
            raise PluginError(f"{title} leaves IR that does not verify: {error}") from error

    def check_source(self, text: Callable[[], str]) -> None:
        """Under `verify_each`, let Python compile an emitted module. Raises `InternalError`, which names its file."""
        if not self._verify:
            return
        source = text()
        try:
            compile(source, f"<emitted {self._name}>", "exec")
        except SyntaxError as error:
            file = kept_file(self._name, ".py", source)
            raise InternalError(f"the source of kernel {self._name} is no Python: {error}; see {file}") from error

    def show(self, stage: str, module: ModuleOp) -> None:
        """Print and save the module as a stage left it, where the settings ask for it."""
        if "all" in self._shown or stage in self._shown:
            print(f"// IR of {self._name} after {stage}", ir_text(module), sep="\n", file=sys.stderr)
        self.save(f"{stage}.mlir", lambda: ir_text(module))

    def save(self, file: str, text: Callable[[], str]) -> None:
        """Write a numbered file into the dump directory, if there is one."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{self._count:02d}-{file}").write_text(text(), encoding="utf-8")
        self._count += 1


def _reproducer(name: str, passes: Sequence[ModulePass], start: ModuleOp | None) -> str:
    """Where the IR went that the failing pipeline started from, as the end of a message."""
    if start is None:
        return "; set HELION_VERIFY_EACH=1 for a file that reproduces it"
    path = kept_file(name, ".mlir", f"// helion-opt -p '{pipeline_string(passes)}'\n{ir_text(start)}")
    return f"; replay {path}"
