"""Runs a case at every level and compares with the reference: what `tests.fuzz` means by right.

Levels, in order: the tile interpreter on the config-free module; per config, on the module after every pass (tile or
tl interpreter, with either poison); Python's `compile` of the emitted text; that text under Triton's interpreter, or
on a GPU; for some cases Triton's compiler for sm_90.
"""

from __future__ import annotations

import importlib.util
import linecache
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import torch
from helion_ir.dialects import tl
from helion_ir.dialects.names import block_param
from helion_ir.passes.analysis.op_mix import free_blocks
from torch import Tensor
from xdsl.dialects.builtin import ModuleOp

from helion_ir import exc
from helion_ir.interpreter import run_func, run_kernel
from helion_ir.pipeline import Pipeline
from helion_ir.runtime.execute import _strings, _values
from helion_ir.runtime.host import host_function
from helion_ir.runtime.stages import context
from helion_ir.runtime.structure import only_func, only_kernel

from .kernels import Case

LIMIT_S = 60
"""A case that takes longer hangs."""
MAX_LANES = 2048
MAX_PROGRAMS = 48


class Finding(Exception):
    """Something that is wrong; `stage` is where it shows, `kind` what it is, `detail` what was got and wanted."""

    def __init__(self, stage: str, kind: str, detail: str) -> None:
        super().__init__(f"{stage}: {kind}\n{detail}")
        self.stage, self.kind, self.detail = stage, kind, detail
        self.config: dict[str, Any] = {}

    @property
    def key(self) -> str:
        """Findings of equal key are taken for one."""
        return f"{self.stage}: {normalized(self.kind)}"


class Refused(Exception):
    """The compiler refused the kernel with a typed error that names the user's line."""


def normalized(text: str) -> str:
    """A message without what differs from kernel to kernel: numbers, names of variables, paths."""
    text = text.strip().splitlines()[0] if text.strip() else ""
    text = re.sub(r"/\S+", "PATH", text)
    text = re.sub(r"kernel_[0-9a-f]{8,}", "kernel", text)
    text = re.sub(r"\b(?:b|s|r|x|v|t|k|i|n|acc|out|tile)_?\d+\b", "N", text)
    text = re.sub(r"\[[^\]]*\]", "[…]", text)
    return re.sub(r"-?\d+(?:\.\d+)?", "#", text)[:160]


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """TimeoutError after so many seconds of wall time."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Options:
    """What to run, and where."""

    folder: Path
    device: str = "cpu"
    every_pass: bool = True
    triton: bool = True
    only: str | None = None
    """The stage of a finding that is being shrunk: other levels are left out."""
    binary: Callable[[Path, int], str | None] | None = None
    """Compiles a module's kernel for sm_90 somewhere else; gives the error, if there is one."""


def load_module(source: str, folder: Path) -> ModuleType:
    """Import a case from a file, so that its source can be inspected."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"case_{abs(hash(source)):x}"
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def unload(module: ModuleType) -> None:
    """Forget a case."""
    sys.modules.pop(module.__name__, None)
    assert module.__file__ is not None
    linecache.cache.pop(module.__file__, None)
    Path(module.__file__).unlink(missing_ok=True)


# Comparing


def results_of(run: Callable[..., Any], args: Sequence[Any]) -> list[Tensor]:
    """What a call returns, then the tensors that it was given as it left them."""
    returned = run(*args)
    returned = () if returned is None else returned if isinstance(returned, tuple) else (returned,)
    return [tensor.cpu() for tensor in (*returned, *(arg for arg in args if isinstance(arg, Tensor)))]


def difference(actual: Sequence[Tensor], wanted: Sequence[Tensor], tolerances: Sequence[float]) -> str | None:
    """How results differ, in a few lines; None if they agree."""
    for number, (ours, theirs) in enumerate(zip(actual, wanted, strict=True)):
        tolerance = tolerances[number] if number < len(tolerances) else 0.0
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return f"result {number} is {ours.dtype} {list(ours.shape)}, not {theirs.dtype} {list(theirs.shape)}"
        a, b = ours.double(), theirs.double()
        close = (a == b) | ((a - b).abs() <= tolerance) | (a.isnan() & b.isnan())
        if not bool(close.all()):
            first = tuple(int(i) for i in (~close).nonzero()[0])
            return (
                f"result {number} ({ours.dtype}): {int((~close).sum())} of {close.numel()} elements differ, first at "
                f"{list(first)}: got {ours[first].item()}, want {theirs[first].item()} (tolerance {tolerance:g})"
            )
    return None


# Running modules


def stage_runner(module: ModuleOp, sizes: dict[str, int], seed: int) -> Callable[..., Any]:
    """The host function of a module of either level, with its launch interpreted."""
    if any(isinstance(op, tl.FuncOp) for op in module.ops):
        func = only_func(module)

        def launch_tl(args: tuple[Any, ...], constexprs: dict[str, int]) -> None:
            run_func(module, args, constexprs, seed=seed)

        table = _values(func.constexprs)
        names = {name: value for name, value in table.items() if isinstance(value, int)}
        return host_function(func.host.data, launch_tl, args=_strings(func.arg_exprs), tables=[table], names=names)
    kernel = only_kernel(module)

    def launch(args: tuple[Any, ...], symbols: dict[str, int]) -> None:
        run_kernel(module, args, symbols, sizes, seed=seed)

    table = _values(kernel.symbols)
    names = {block_param(symbol): size for symbol, size in sizes.items()}
    return host_function(kernel.host.data, launch, args=_strings(kernel.arg_exprs), tables=[table], names=names)


def block_sizes(module: ModuleOp, config: Mapping[str, Any]) -> dict[str, int]:
    """Block symbol → size, for the symbols that the config chooses."""
    symbols = [symbol for symbol, _ in free_blocks(only_kernel(module))]
    return dict(zip(symbols, config.get("block_sizes", ()), strict=True))


class CaseRun:
    """A case that is being checked."""

    def __init__(self, case: Case, module: ModuleType, options: Options) -> None:
        self.case, self.module, self.options = case, module, options
        self.wanted = [results_of(module.reference, make("cpu")) for make in module.CALLS]

    def args(self, call: int, device: str = "cpu") -> tuple[Any, ...]:
        """Fresh arguments of a call."""
        return self.module.CALLS[call](device)

    def compare(self, stage: str, run: Callable[..., Any], call: int, device: str = "cpu") -> None:
        """Run and compare one call; raises `Finding`."""
        args = self.args(call, device)
        actual = self.attempt(stage, lambda: results_of(run, args))
        if (wrong := difference(actual, self.wanted[call], self.module.TOLERANCES)) is not None:
            raise Finding(stage, "wrong result", f"call {call}: {wrong}")

    def attempt(self, stage: str, run: Callable[[], Any]) -> Any:
        """`run()`; raises `Refused` for a typed error with a place, `Finding` for every other exception."""
        try:
            return run()
        except (Finding, Refused):
            raise
        except exc.Base as error:
            self._refusal(stage, error)
        except torch.OutOfMemoryError as error:
            raise Refused("out of memory") from error
        except Exception as error:
            raise Finding(
                stage, f"{type(error).__name__}: {error} ({_place(error)})", traceback.format_exc()
            ) from error

    def _refusal(self, stage: str, error: exc.Base) -> None:
        text = f"{type(error).__name__}: {error.message}"
        if isinstance(error, exc.InternalError):
            raise Finding(stage, text, traceback.format_exc()) from error
        if error.location is None or error.location.file != self.module.__file__:
            raise Finding(stage, f"refused without a place: {text}", traceback.format_exc()) from error
        raise Refused(text) from error

    # Levels

    def check(self) -> None:
        """All levels, all configs; raises `Finding` or `Refused`."""
        kernel = self.module.kernel
        rng = Random(self.case.seed)
        bound = self.attempt("bind", lambda: kernel.bind(self.args(0)))
        for number in range(self.case.configs):
            config = self.attempt("config", lambda first=number == 0: self.chosen(bound, None if first else rng))
            try:
                self.check_config(bound, config, number)
            except Finding as found:
                found.config = config
                raise

    def chosen(self, bound: Any, rng: Random | None) -> dict[str, Any]:
        """A random config, or the default one; with few programs and few lanes, so that interpreters stay quick."""
        spec = bound.config_spec
        values = dict(spec.default_config() if rng is None else spec.random(rng))
        blocks = list(values.get("block_sizes", []))
        limit = 32 if len(blocks) < 3 else 16 if len(blocks) < 4 else 8
        for number, size in enumerate(blocks):
            wanted = min(max(size, 4 if len(blocks) > 1 else 2), limit)
            if spec.block_sizes[number].contains(wanted):
                blocks[number] = wanted
        return {**values, "block_sizes": blocks} if blocks else values

    def check_config(self, bound: Any, config: dict[str, Any], number: int) -> None:
        """One config of a bound kernel."""
        lowered = self.attempt("lower", lambda: bound.lower(config))
        sizes = block_sizes(bound.tile_module, lowered.config)
        if number == 0 and self._looks_at("trace"):
            for seed in (0, 1):
                self.compare("trace", stage_runner(bound.tile_module, sizes, seed), 0)
        calls = range(len(self.wanted))
        for call in calls:
            source, module = lowered.source, lowered.module()
            if call:
                other = self.attempt("bind", lambda call=call: self.module.kernel.bind(self.args(call)))
                if other is not bound:
                    again = self.attempt("lower", lambda other=other: other.lower(config))
                    source, module = again.source, again.module()
            try:
                for seed in (0, 1) if self._looks_at("tl") else ():
                    self.compare("tl", stage_runner(module, sizes, seed), call)
            except Finding as found:
                if call == 0 and self.options.every_pass:
                    self.check_passes(bound, lowered.config, sizes)
                raise found
            self.attempt("text", lambda source=source: compile(source, "<emitted>", "exec"))
        if number == 0 and self.options.every_pass and self._looks_at("after"):
            self.check_passes(bound, lowered.config, sizes)
        if self.options.triton and self._looks_at("triton", "gpu"):
            self.check_emitted(config)

    def _looks_at(self, *stages: str) -> bool:
        """Whether a level is run: all are, but where a finding at another one is shrunk."""
        only = self.options.only
        return only is None or only.split()[0] in stages or (only.startswith("after") and "tl" in stages)

    def check_passes(self, bound: Any, config: Any, sizes: dict[str, int]) -> None:
        """The module after every pass that changes it; raises `Finding` named after the pass."""
        module = bound.tile_module.clone()
        before = str(module)
        for pass_ in Pipeline().scheduled(config, module):
            self.attempt(f"pass {pass_.name}", lambda pass_=pass_: pass_.apply(context(), module))
            after = str(module)
            if after != before:
                for seed in (2, 3):
                    self.compare(f"after {pass_.name}", stage_runner(module, sizes, seed), 0)
            before = after

    def check_emitted(self, config: dict[str, Any]) -> None:
        """The emitted text as the runtime runs it: under Triton's interpreter, or on a GPU."""
        device = self.options.device
        stage = "triton" if device == "cpu" else "gpu"
        for call in range(len(self.wanted)):
            bound = self.attempt(stage, lambda call=call: self.module.kernel.bind(self.args(call, device)))
            self.compare(stage, self.attempt(stage, lambda bound=bound: bound.compile_config(config)), call, device)


def _place(error: BaseException) -> str:
    """The innermost frames of an exception, without line numbers."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(f.filename).stem}.{f.name}" for f in reversed(frames[-3:]))


def check_case(case: Case, options: Options, number: int = 0) -> None:
    """Check a case; raises `Finding` or `Refused`."""
    module = load_module(case.source, options.folder)
    try:
        run = CaseRun(case, module, options)
        try:
            with time_limit(LIMIT_S):
                run.check()
        except TimeoutError as error:
            raise Finding("any", f"hangs ({_place(error)})", traceback.format_exc()) from error
        if options.binary is not None and number % 10 == 0:
            assert module.__file__ is not None
            wrong = options.binary(Path(module.__file__), case.seed)
            if wrong is not None:
                raise Finding("sm_90", wrong.splitlines()[-1], wrong)
    finally:
        unload(module)
        if options.device == "cuda" and "far-apart" in case.features:
            torch.cuda.empty_cache()
