"""Values that a kernel prints while it runs: all of them, in order, whatever the passes do around them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl


@helion.kernel()
def talks(x: Tensor, offset: int) -> Tensor:
    """A row's sum would be rolled and the loop's scalars folded, were nothing printed."""
    out = x.new_empty(x.size(0))
    for t in hl.tile(x.size(0)):
        total = x[t, :].sum(1)
        hl.device_print("sums:", total)
        for i in range(2):
            print("step", i, "of tile", t.id + offset, t.begin)
        print("100% bools", total > 3, "and half", total.to(torch.float16) / 2)
        out[t] = total
        print("same", total)
        print("same", total)
    return out


@helion.kernel()
def only_prints(x: Tensor) -> None:
    for t in hl.tile(x.size(0)):
        if t.id == 1:
            print("positions", t)


X = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 0.0], [0.5, 0.25]])
SAID = """\
sums: [3.0, 7.0]
step: 0
of tile: 5
of tile: 0
step: 1
of tile: 5
of tile: 0
100% bools: [0, 1]
and half: [1.5, 3.5]
same: [3.0, 7.0]
same: [3.0, 7.0]
sums: [5.0, 0.75]
step: 0
of tile: 6
of tile: 2
step: 1
of tile: 6
of tile: 2
100% bools: [1, 0]
and half: [2.5, 0.375]
same: [5.0, 0.75]
same: [5.0, 0.75]
positions: [2, 3]
"""


def run() -> None:
    talking = helion.compile(talks, helion.Config(block_sizes=[2]), (X, 5))
    torch.testing.assert_close(talking(X, 5), X.sum(1))
    helion.compile(only_prints, helion.Config(block_sizes=[2]), (X,))(X)


@pytest.mark.parametrize("level", ["tile", "tl"])
def test_interpreted(level: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    run()
    assert _said(capsys.readouterr().out) == SAID.splitlines()


def test_emitted() -> None:
    """In a process of its own: Triton reads TRITON_INTERPRET when it is imported."""
    done = subprocess.run(
        [sys.executable, "-c", "from tests.kernels.test_printing import run; run()"], capture_output=True, text=True,
        env={**os.environ, "TRITON_INTERPRET": "1"}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    numbers = [_numbers(line) for line in _said(done.stdout.replace("%%", "%"))]
    assert numbers == [_numbers(line) for line in SAID.splitlines()]


def _said(output: str) -> list[str]:
    """The lines without the program's number."""
    return [line.split(") ", 1)[1] for line in output.splitlines()]


def _numbers(line: str) -> list[float]:
    words = line.replace("True", "1").replace("False", "0")
    return [float(word) for word in "".join(c if c.isdigit() or c == "." else " " for c in words).split()]


def test_the_text_compiles() -> None:
    ptx = helion.compile(talks, helion.Config(block_sizes=[2]), (X, 5)).binary("sm_90").asm["ptx"]
    assert "vprintf" in ptx


def test_what_is_printed_is_not_rolled() -> None:
    def rows(x: Tensor) -> Tensor:
        out = x.new_empty(x.size(0))
        for t in hl.tile(x.size(0)):
            row = x[t, :] * 2
            print("row", row)
            out[t] = row.sum(1)
        return out

    spec = helion.kernel(rows).bind((torch.randn(5, 300),)).config_spec
    assert len(spec.reduction_loops) == 0


def test_breakpoints_are_of_interpreters() -> None:
    code = """if True:
        import sys, torch, helion_ir as helion, helion_ir.language as hl
        import tests.kernels.stops as stops
        sys.breakpointhook = lambda *_: print("stopped")
        x = torch.zeros(4)
        helion.compile(stops.stops, helion.Config(block_sizes=[2]), (x,))(x)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.splitlines() == ["stopped", "stopped"], done.stderr[-3000:]


RANGES: dict[str, Any] = {
    "end": (lambda: hl.arange(5), [0, 1, 2, 3, 4]), "begin": (lambda: hl.arange(3, 8), [3, 4, 5, 6, 7]),
    "step": (lambda: hl.arange(2, 13, 3), [2, 5, 8, 11]), "step=": (lambda: hl.arange(7, step=3), [0, 3, 6]),
    "down": (lambda: hl.arange(9, 2, -2), [9, 7, 5, 3]),
    "dtype": (lambda: hl.arange(1, 4, dtype=torch.float32, device="cpu"), [1, 2, 3]),
}  # fmt: skip


@pytest.mark.parametrize("name", RANGES)
def test_ranges_of_any_length(name: str) -> None:
    function, values = RANGES[name]

    def fill(x: Tensor, function: Any) -> Tensor:
        out = torch.empty([x.size(0), len(values)], device=x.device)
        for t in hl.tile(x.size(0)):
            out[t, :] = x[t][:, None] + function()[None, :] + hl.zeros([t, 1], device=x.device)
        return out

    x = torch.arange(3.0)
    compiled = helion.compile(helion.kernel(fill), helion.Config(block_sizes=[2]), (x, function))
    assert torch.equal(compiled(x, function), x[:, None] + torch.tensor(values))
