"""What a process that checks cases needs: caches of its own, Triton's interpreter mended, a compiler for sm_90."""

from __future__ import annotations

import ast
import contextlib
import faulthandler
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.support.triton_patches import correct_interpreter

from .checks import LIMIT_S, Finding, Options, Refused, check_case
from .kernels import Case

COMPILE = """
import sys, importlib.util, traceback
import helion_ir
for line in sys.stdin:
    path = line.strip()
    try:
        spec = importlib.util.spec_from_file_location("case", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules["case"] = module
        spec.loader.exec_module(module)
        args = module.CALLS[0]("cpu")
        config = module.kernel.bind(args).config_spec.default_config()
        helion_ir.compile(module.kernel, config, args).binary("sm_90")
        answer = ""
    except helion_ir.exc.InternalError:
        answer = traceback.format_exc()
    except helion_ir.exc.Base:
        answer = ""
    except Exception:
        answer = traceback.format_exc()
    print(repr(answer), flush=True)
"""


class Compiler:
    """A process in which Triton is no interpreter; compiles the kernels of modules for sm_90."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, path: Path, seed: int) -> str | None:
        """The error, if there is one."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", COMPILE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                stderr=subprocess.DEVNULL, env={**os.environ, "TRITON_INTERPRET": "0"},
            )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            return f"Triton's compiler ended the process with code {self._process.wait()}"
        return ast.literal_eval(answer) or None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()


def skip_overflow_checks() -> None:
    """Triton's interpreter checks every integer operation for overflow, which takes half of its time."""
    from triton.runtime import interpreter  # noqa: PLC0415

    object.__setattr__(interpreter.interpreter_builder.options, "sanitize_overflow", False)


@contextlib.contextmanager
def options_for(folder: Path, device: str, *, every_pass: bool = True, binary: bool = False) -> Iterator[Options]:
    """Options of checks in this process; `folder` holds their files."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    os.environ["HELION_CACHE_DIR"] = str(folder / "cache")
    os.environ.setdefault("TRITON_CACHE_DIR", str(folder / "triton"))
    if device == "cpu":
        correct_interpreter()
        skip_overflow_checks()
    faulthandler.enable()
    faulthandler.dump_traceback_later(20 * LIMIT_S, repeat=True)
    compiler = Compiler() if binary else None
    try:
        yield Options(folder, device, every_pass=every_pass, binary=compiler)
    finally:
        faulthandler.cancel_dump_traceback_later()
        if compiler is not None:
            compiler.close()


def replayed(path: Path, device: str) -> str | None:
    """Check a reproducer; what is wrong with it."""
    source = path.read_text(encoding="utf-8")
    values = next(line for line in source.splitlines() if line.startswith("SEED, CONFIGS = "))
    number, configs = ast.literal_eval(values.partition(" = ")[2])
    case = Case(source, frozenset(), number, configs)
    with tempfile.TemporaryDirectory() as folder, options_for(Path(folder), device) as options:
        try:
            check_case(case, options)
        except Finding as found:
            return f"{found.stage}: {found.kind}: {found.detail.strip().splitlines()[-1]}"
        except Refused as refused:
            return None if "refused" in source.splitlines()[0] else f"refused: {refused}"
    return None
