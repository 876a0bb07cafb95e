"""The net is tested: faults are put into a copy of the compiler, and each must make a test, or the fuzzer, fail.

    python -m tests.fuzz.seeded_faults [WORD…] [--fuzz SECONDS]

Words choose faults by contract or description. With `--fuzz`, random kernels run on each fault, too, and it is told
whether they find it. tests/README.md lists the faults with what caught each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = ("helion_ir", "dialects", "passes", "backends", "tests", "examples", "benchmarks")


@dataclass(frozen=True)
class Fault:
    """A change of one place of the compiler that breaks a contract, and the test that must notice."""

    contract: int
    what: str
    file: str
    old: str
    new: str
    test: str
    """What pytest takes, relative to tests/."""


FAULTS = (
    Fault(
        1, "a maximum is told that it does not see zeros", "dialects/constants.py",
        "        return lowest(element)", "        return 0",
        "passes/test_fills.py::test_integers_and_neutral_elements",
    ),
    Fault(
        1, "ops that declare nothing count as lane-wise", "dialects/axes.py",
        "    return declared[0] if declared else None",
        "    from .axis_kinds import LaneWise\n\n    return declared[0] if declared else LaneWise()",
        "dialects/test_axes.py::test_what_is_not_rolled",
    ),
    Fault(
        1, "a dot consumes the padding of one operand only", "dialects/tile/dot.py",
        "for at in contracted])", "for at in contracted[:1]])",
        "passes/test_filecheck.py::test_filecheck[tile/resolve-padding.mlir]",
    ),
    Fault(
        2, "lanes past the end are not kept", "passes/resolve_padding.py",
        "        if self.padding.exact(op.tile) or met(self.padding):", "        if True:",
        "kernels/test_lanes.py::test_several_variables_and_positions",
    ),
    Fault(
        2, "reductions see padding", "passes/resolve_padding.py",
        "        if fill is not None:\n            yield Need", "        if fill == 'never':\n            yield Need",
        "config/test_random_configs.py::test_every_legal_config_compiles_and_agrees",
    ),
    Fault(
        3, "a tile is not checked against the size of the dimension that it indexes", "passes/lowering/accesses.py",
        "for bound in () if dimension is None else _size_checks", "for bound in () if True else _size_checks",
        "dialects/test_subscripts.py::test_one_tile_in_two_dimensions",
    ),
    Fault(
        4, "views are memory of their own", "passes/analysis/aliases.py",
        "    return any(memory.storage.data in storages for memory in _known(other))", "    return False",
        "kernels/test_memory.py::test_what_one_view_stores_another_loads",
    ),
    Fault(
        4, "no barriers between the threads of a program", "passes/insert_barriers.py",
        "for access in Hazards(kernel).barriers:", "for access in ():",
        "passes/test_filecheck.py::test_filecheck[tile/insert-barriers.mlir]",
    ),
    Fault(
        5, "what lowering asked of block sizes is forgotten", "helion_ir/runtime/structure.py",
        "for question, given in questions.answers.items():", "for question, given in ():",
        "runtime/test_structure.py::test_a_shared_structure_gives_what_lowering_alone_gives",
    ),
    Fault(
        6, "what a kernel captures is looked at once", "helion_ir/specialization/captures.py",
        "if self._trail is None or not self._trail.holds():", "if self._trail is None:",
        "runtime/test_captures.py::test_the_next_call_sees_what_changed",
    ),
    Fault(
        7, "all offsets have 31 bits", "helion_ir/frontend/tracer.py",
        "WIDE if self._is_wide(tensor.meta_tensor) else NARROW", "NARROW",
        "kernels/test_widths.py::test_only_refs_that_need_it_have_wide_offsets",
    ),
    Fault(
        8, "casts that the user wrote are elided", "passes/elide_precision_casts.py",
        "        return ELIDABLE in op.attributes and element_of", "        return element_of",
        "frontend/test_rounding.py::test_conversions_of_singles_round",
    ),
    Fault(
        9, "changes of containers in loops are undone in silence", "helion_ir/frontend/walk/mutation.py",
        "            if _signature(value, carried) != signature:", "            if False:",
        "frontend/test_mutation.py::test_structures_unroll_loops_of_constant_bounds",
    ),
    Fault(
        10, "names of the user are not told from those of the module", "dialects/names.py",
        "        self._taken = {*RESERVED, *taken}", "        self._taken = {*taken}",
        "triton/test_printer_variables.py::test_printed_statements_compute_the_ssa_values",
    ),
    Fault(
        11, "what a config leaves open is not made to fit", "helion_ir/space/config_spec.py",
        "        values = self._completion.complete(values, open_)\n", "",
        "config/test_resources.py::test_open_stages_are_as_many_as_fit",
    ),
    Fault(
        12, "fast_math does nothing", "passes/approximate_math.py",
        "if any(setting(kernel, \"fast_math\")", "if False and any(setting(kernel, \"fast_math\")",
        "config/test_settings_do.py::test_every_setting_does_something",
    ),
    Fault(
        13, "warps are specialized wherever it is asked for", "backends/triton/passes/specialize_warps.py",
        "    return bool(dots) and moved and all(count == known.rows for count in rows)", "    return True",
        "config/test_settings_do.py::test_specialized_warps_that_are_not_proven_are_ignored",
    ),
)  # fmt: skip


class Copy:
    """A copy of the project, in the shape of the installed package, that faults are put into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in PARTS:
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("dialects", "passes", "backends"):
            (folder / "helion_ir" / part).symlink_to(folder / part)
        for name in ("ARCHITECTURE.md", "README.md", "Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)

    @contextmanager
    def broken(self, fault: Fault) -> Iterator[None]:
        """The copy with a fault in it. Raises ValueError where the place of the fault is not there any more."""
        path = self.folder / fault.file
        text = path.read_text(encoding="utf-8")
        if text.count(fault.old) != 1:
            raise ValueError(f"{fault.file} has {text.count(fault.old)} places that read {fault.old!r}: mend the table")
        path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the copy."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def first_failure(self, test: str) -> str | None:
        """The first test that fails of those that pytest is given; None if all pass.

        Raises RuntimeError if pytest cannot run them.
        """
        done = self.run("-m", "pytest", "-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", f"tests/{test}")
        if done.returncode == 0:
            return None
        lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        if done.returncode != 1 or not lines:
            raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
        return lines[0].split(" - ")[0].removeprefix("FAILED ").removeprefix("ERROR ")

    def fuzz(self, seconds: float) -> str | None:
        """The first kind of finding of random kernels; None if they find nothing."""
        out = self.folder / "findings"
        shutil.rmtree(out, ignore_errors=True)
        done = self.run("-m", "tests.fuzz", "--seconds", str(seconds), "--out", str(out), "--seed", "3", "--raw")
        found = [line for line in done.stdout.splitlines() if line.startswith("  finding")]
        return found[0].split(maxsplit=2)[2] if found else None


def main() -> int:
    """Put each fault in, and say what noticed; how many nothing did."""
    parser = argparse.ArgumentParser(prog="tests.fuzz.seeded_faults")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--fuzz", type=float, default=0, metavar="SECONDS")
    options = parser.parse_args()
    chosen = [f for f in FAULTS if not options.words or any(w == str(f.contract) or w in f.what for w in options.words)]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="helion_ir_seeded_") as folder:
        copy = Copy(Path(folder))
        for fault in chosen:
            with copy.broken(fault):
                caught = copy.first_failure(fault.test)
                fuzzed = f"; fuzz: {copy.fuzz(options.fuzz) or 'nothing'}" if options.fuzz else ""
            missed += caught is None
            print(f"{'ok    ' if caught else 'MISSED'} {fault.contract:2} {fault.what}: {caught}{fuzzed}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
