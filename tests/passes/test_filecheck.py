"""Every RUN line of the `.mlir` files under tests/passes/filecheck."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support import lit

FILES = sorted(lit.ROOT.rglob("*.mlir"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(lit.ROOT)) for path in FILES])
def test_filecheck(path: Path, tmp_path: Path) -> None:
    lines = lit.run_lines(path)
    assert lines, "no RUN line"
    for line in lines:
        assert "filecheck" in line.rsplit("|", 1)[-1].split()[:1], f"a RUN line must end in filecheck: {line}"
        lit.run_line(line, path, tmp_path / "out")


def test_a_wrong_check_fails(tmp_path: Path) -> None:
    path = tmp_path / "wrong.mlir"
    path.write_text("// RUN: helion-opt %s | filecheck %s\n// CHECK: tile.grid\nbuiltin.module {}\n")
    with pytest.raises(AssertionError, match="exit code 1"):
        lit.run_line(lit.run_lines(path)[0], path, tmp_path / "out")


def test_a_failing_command_fails(tmp_path: Path) -> None:
    path = tmp_path / "broken.mlir"
    path.write_text("// RUN: helion-opt %s 2>&1 | filecheck %s\n// CHECK: error\nbroken\n")
    with pytest.raises(AssertionError, match="exit code 1"):
        lit.run_line(lit.run_lines(path)[0], path, tmp_path / "out")
