"""The emitted source, run by Triton's interpreter, against float64; and what the printer refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from io import StringIO
from pathlib import Path

import pytest
import torch
from helion_ir.backends.triton import TritonTarget, emit, load_source
from xdsl.parser import Parser
from xdsl.utils.exceptions import DiagnosticException

from ..support import printer_control_flow as control_flow
from ..support import printer_kernels as kernels

INTERPRETS_LOOPS = version("triton") >= "3.7" or version("numpy") < "2.4"
"""Triton 3.6 interprets `range` with a run-time bound by a conversion that NumPy 2.4 no longer does."""

RUNNER = """
import importlib.util, json, sys, torch
for name, path, data in json.loads(sys.argv[1]):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    arguments = torch.load(data)
    torch.save(getattr(module, name)(*arguments), data + ".out")
"""


def run_interpreted(tmp_path: Path, cases: list[tuple[str, str, list[torch.Tensor]]]) -> list[torch.Tensor]:
    """Run emitted modules (function, IR, arguments) in a process that has TRITON_INTERPRET=1 from its start."""
    jobs: list[tuple[str, str, str]] = []
    for number, (name, text, arguments) in enumerate(cases):
        path, data = tmp_path / f"{name}_{number}.py", tmp_path / f"{name}_{number}.pt"
        path.write_text(kernels.source(text))
        torch.save(arguments, data)
        jobs.append((name, str(path), str(data)))
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", RUNNER, json.dumps(jobs)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(data + ".out") for _, _, data in jobs]


def _swapped(x: torch.Tensor) -> torch.Tensor:
    a, b = x, torch.ones_like(x)
    for _ in range(5):
        a, b = b, a + b
    return b


def _branched(x: torch.Tensor) -> torch.Tensor:
    odd = torch.arange(x.size(0)) % 2 == 1
    return torch.where(odd[:, None], x * 4, x)


def _counted(x: torch.Tensor) -> torch.Tensor:
    """Row i goes on while (i + 1) // 3 < 5 for i counted up: 14 - i times."""
    return x * (15 - torch.arange(x.size(0)))[:, None]


def test_interpreted_source_agrees_with_float64(tmp_path: Path) -> None:
    row = torch.randn(7, 37)
    x, y = torch.randn(1000), torch.randn(1000)
    a, b = torch.randn(33, 45), torch.randn(45, 19)
    wide, tall = torch.randn(19, 48), torch.randn(48, 36)
    cases = [
        ("add", kernels.ADD, [x, y]),
        ("matmul", kernels.matmul("f32"), [a, b]),
        ("matmul", kernels.matmul("f16"), [a.half(), b.half()]),
        ("matmul", kernels.matmul("f32", descriptor=True), [wide, tall]),
        ("softmax", control_flow.SOFTMAX, [row]),
        ("swap", control_flow.SWAP, [row]),
        ("branch", control_flow.BRANCH, [row]),
        ("count", control_flow.WHILE, [row]),
    ]
    expected = [
        x.double() + y.double(),
        a.double() @ b.double(),
        a.half().double() @ b.half().double(),
        wide.double() @ tall.double(),
        row.double().softmax(1),
        _swapped(row.double()),
        _branched(row.double()),
        _counted(row.double()),
    ]
    if not INTERPRETS_LOOPS:
        chosen = [i for i, (_, text, _) in enumerate(cases) if "scf.for" not in text or "to %k" not in text]
        cases, expected = [cases[i] for i in chosen], [expected[i] for i in chosen]
    for case, found, wanted in zip(cases, run_interpreted(tmp_path, cases), expected, strict=True):
        torch.testing.assert_close(found, wanted.to(found.dtype), msg=lambda text, name=case[0]: f"{name}: {text}")


def test_unprepared_module_is_refused() -> None:
    module = Parser(kernels.context(), kernels.ADD).parse_module()
    with pytest.raises(DiagnosticException, match="prepare-for-print"):
        emit(module)


def test_op_without_spelling_is_named() -> None:
    module = Parser(kernels.context(), "builtin.module { %0 = arith.constant 1 : i32 }").parse_module()
    with pytest.raises(DiagnosticException, match=r"arith\.constant"):
        emit(module)


def test_target_writes_what_emit_returns() -> None:
    module = kernels.prepared(kernels.ADD)
    output = StringIO()
    TritonTarget().emit(kernels.context(), module, output)
    assert output.getvalue() == emit(module)


def test_emitted_module_is_python_and_imports_torch_and_triton_only() -> None:
    source = kernels.source(kernels.matmul("bf16", descriptor=True))
    compile(source, "emitted", "exec")
    imports = [line for line in source.splitlines() if line.startswith(("import", "from"))]
    assert imports == ["import torch", "import triton", "import triton.language as tl"]


def test_source_lines_are_quoted_once_each(tmp_path: Path) -> None:
    user = tmp_path / "user.py"
    user.write_text("first\n    out[i] = x[i]  # note\n")
    text = kernels.ADD.replace(
        "!v, !tl.ptr<f32>[!i]\n  tl.return", f'!v, !tl.ptr<f32>[!i] loc("{user}":2:5)\n  tl.return'
    )
    lines = emit(kernels.prepared(text)).splitlines()
    at = lines.index("    # src[user.py:2]: out[i] = x[i]  # note")
    assert lines[at + 1].startswith("    tl.store(")
    assert sum("# src" in line for line in lines) == 1


def test_load_source_caches_by_content(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HELION_CACHE_DIR", str(tmp_path))
    first = load_source("value = 1\n", "kernel")
    assert load_source("value = 1\n", "kernel") is first
    assert load_source("value = 2\n", "kernel").value == 2
    assert len(list((tmp_path / "modules").glob("kernel_*.py"))) == 2


def test_printing_is_linear() -> None:
    """Twice the statements take about twice the time: no walk over all uses per op."""

    def seconds(count: int) -> float:
        adds = "\n".join(f"  %s{i} = arith.addf %xv, %yv : !v" for i in range(count))
        stores = "\n".join(f"  tl.store %s{i}, %out[%pos] : !v, !tl.ptr<f32>[!i]" for i in range(count))
        module = kernels.prepared(kernels.ADD.replace("  tl.return", f"{adds}\n{stores}\n  tl.return"))
        start = time.perf_counter()
        emit(module)
        return time.perf_counter() - start

    assert seconds(800) < 16 * max(seconds(200), 1e-4)
