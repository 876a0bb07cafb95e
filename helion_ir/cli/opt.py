"""`helion-opt`: xDSL's driver with this package's dialects, passes and targets, Python input, and better errors.

Every option of `xdsl-opt` works. Errors are diagnostics on standard error with exit code 1; a traceback is shown
only for an internal error, and only when the environment variable HELION_TRACEBACK is 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, PassPipeline
from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException, ParseError
from xdsl.xdsl_opt_main import xDSLOptMain

from .. import backends, exc
from ..pipeline import pass_table
from ..session import current
from .diagnostics import TOOL, OperationError, describe, render_message, render_operation_error, render_parse_error
from .instrument import Dumps, OptionCheck, verify_located
from .located_parser import LocatedParser
from .python_input import PythonInputError, load, tile_module_of

if TYPE_CHECKING:
    from .check import Checker


class UsageError(Exception):
    """A bad option, an input that cannot be read, an unknown pass."""


class HelionOptMain(xDSLOptMain):
    """The driver; see the module."""

    version_format: ClassVar[str] = "helion-opt built from xdsl version {xdsl_version}"

    def __init__(self, args: Sequence[str] | None = None):
        self._line_offset = 0
        self._python: ModuleType | None = None
        self.running: str | None = None
        """The pass or target at work, for the message of an internal error."""
        super().__init__("Runs passes and targets on tile and tl modules, and on kernels in Python files", args)

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        add = arg_parser.add_argument
        add("--kernel", metavar="NAME", help="the kernel of a Python input file")
        add("--print-ir-before", metavar="PASS", action="append", default=[], help="print the IR before this pass")
        add("--print-ir-after", metavar="PASS", action="append", default=[], help="print the IR after this pass")
        add("--print-ir-on-change", action="store_true", help="print the IR after each pass that changes it")
        add(
            "--check",
            action="store_true",
            help="run the interpreter after each pass; name the first that changes results",
        )
        add("--any-options", action="store_true", help="take pass options that no config of the kernel can have")
        add("--dump-dir", metavar="DIR", type=Path, help="write the IR after each pass to numbered files")

    def register_all_frontends(self) -> None:
        super().register_all_frontends()
        self.available_frontends["mlir"] = self._parse_text
        self.available_frontends["py"] = self._parse_python

    def register_all_dialects(self) -> None:
        super().register_all_dialects()
        for backend in map(backends.get, backends.names()):  # those too that were registered after the import
            for name, dialect in backend.dialects.items():
                if name not in self.ctx.registered_dialect_names:
                    self.ctx.register_dialect(name, dialect)

    def register_all_passes(self) -> None:
        super().register_all_passes()
        self.available_passes.update(pass_table())

    def register_all_targets(self) -> None:
        super().register_all_targets()
        self.available_targets.update({name: backends.get(name).target for name in backends.names()})

    def _parse_text(self, stream: IO[bytes]) -> ModuleOp:
        text = stream.read().decode("utf-8", "replace")
        parser = LocatedParser(self.ctx, text, self.get_input_name(), self._line_offset)
        return parser.parse_located_module(implicit_module=not self.args.no_implicit_module)

    def _parse_python(self, stream: IO[bytes]) -> ModuleOp:
        if self.args.input_file is None:
            raise UsageError("a kernel is read from a file, not from standard input")
        path = Path(self.args.input_file)
        return tile_module_of(self._python or load(path), path, self.args.kernel)

    def parse_chunk(self, chunk: IO[bytes], file_extension: str, start_offset: int = 0) -> ModuleOp | None:
        self._line_offset = start_offset
        return super().parse_chunk(chunk, file_extension, start_offset)

    def prepare_input(self) -> tuple[list[tuple[IO[bytes], int]], str]:
        try:
            return super().prepare_input()
        except ValueError as error:
            raise UsageError(str(error)) from error

    def _add_plugins(self) -> None:
        """Know the plugins of the current session, and those that a Python input registers."""
        file = self.args.input_file
        if file is not None and (self.args.frontend or Path(file).suffix[1:]) == "py" and Path(file).is_file():
            self._python = load(Path(file))
        plugins = current().plugins
        self.available_passes |= {pass_.name: lambda pass_=pass_: pass_ for pass_ in plugins.passes()}
        for name, factory in plugins.of("dialect").items():
            self.ctx.register_dialect(name, factory)

    def setup_pipeline(self) -> None:
        self._add_plugins()
        try:
            super().setup_pipeline()
        except (ArgSpecParseError, Exception) as error:
            raise UsageError(str(error) or describe(error)) from error
        names = [each.name for each in self.pipeline.passes]
        if unknown := [n for n in (*self.args.print_ir_before, *self.args.print_ir_after) if n not in names]:
            raise UsageError(f"not in the pipeline: {', '.join(unknown)}")
        inherited = self.pipeline.callback
        checker = _checker() if self.args.check else None
        plugins = current().plugins.passes()
        options = OptionCheck(self.pipeline.passes, self.args.target)
        dumps = Dumps(
            self.args.print_ir_before, self.args.print_ir_after, self.args.print_ir_on_change, self.args.dump_dir
        )

        def between(previous: ModulePass | None, module: ModuleOp, following: ModulePass | None) -> None:
            dumps.between(previous and previous.name, module, following and following.name)
            if not self.args.disable_verify:
                verify_located(module)
            if inherited is not None:
                inherited(previous, module, following)
            if checker is not None:
                checker.between(previous and previous.name, module)
            if not self.args.any_options:
                options.before(following, module)
            whose = "plugin pass" if type(following) in plugins else "pass"
            self.running = following and f"{whose} {following.name}"

        self.pipeline = PassPipeline(self.pipeline.passes, between)

    def output_resulting_program(self, prog: ModuleOp) -> str:
        self.running = f"target {self.args.target}"
        return super().output_resulting_program(prog)


def _checker() -> Checker:
    """The interpreter's check; it imports torch, which nothing else here needs."""
    from .check import Checker  # noqa: PLC0415 - see above

    return Checker()


def _diagnose(error: BaseException, running: str | None) -> str:
    """The text for an error that ends the run."""
    prefix = f"{TOOL}: error: "
    within = f"{running}: " if running else ""
    match error:
        case ParseError():
            return render_parse_error(error)
        case OperationError():
            return render_operation_error(error)
        case PythonInputError():
            return str(error)
        case UsageError():
            return prefix + str(error)
        case exc.Base():
            return f"{prefix}{type(error).__name__}: {error}"
        case ModuleNotFoundError() if error.name and error.name.split(".")[0] not in ("helion_ir", "xdsl"):
            return f"{prefix}{within}it needs the package {error.name.split('.')[0]}, which is not installed"
        case DiagnosticException():
            return render_message(str(error), within)
        case OSError():
            return prefix + (f"{error.filename}: {error.strerror}" if error.filename else str(error))
        case _ if within.startswith("plugin "):
            return f"{prefix}{within}{describe(error)}"
        case _:
            hint = "this is a bug, please report it; HELION_TRACEBACK=1 shows where"
            return f"{TOOL}: internal error: {within}{describe(error)}\n{hint}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0, or 1 after a diagnostic on standard error."""
    tool: HelionOptMain | None = None
    try:
        tool = HelionOptMain(argv)
        tool.run()
    except SystemExit as stop:  # argparse: --help, --version, a bad option (2)
        return 1 if stop.code else 0
    except Exception as error:
        if os.environ.get("HELION_TRACEBACK") == "1":
            raise
        sys.stdout.flush()
        print(_diagnose(error, tool and tool.running), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
