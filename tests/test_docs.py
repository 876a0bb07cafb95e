"""What the documents, the Makefile and pyproject.toml say agrees with each other and with the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .support import lit

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "tests/README.md", "benchmarks/README.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FIGURES = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = dict(line.split("==") for line in (ROOT / ".ci" / "pins.txt").read_text().splitlines() if "==" in line)


def test_every_package_is_installed() -> None:
    """A folder that pyproject.toml does not list is missing from a wheel, though not from an editable install."""
    found = {"helion_ir"}
    for base, name in (("helion_ir", "helion_ir"), *((top, f"helion_ir.{top}") for top in PACKAGE_DIRS)):
        for init in (ROOT / base).rglob("__init__.py"):
            found.add(".".join([name, *init.parent.relative_to(ROOT / base).parts]))
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found


PACKAGE_DIRS = tuple(PROJECT["tool"]["setuptools"]["package-dir"].values())


def test_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)[\s`]", README + CONTRIBUTING))
    assert {"demo", "test"} <= named <= targets
    options = set(re.findall(r"--[a-z-]+", lit.run_command(["helion-opt", "--help"]).out))
    rows = [line for line in CONTRIBUTING.splitlines() if line.startswith("| `helion-opt")]
    assert rows
    assert {option for row in rows for option in re.findall(r"--[a-z-]+", row)} <= options


def test_versions_agree() -> None:
    default = re.search(r"^DEFAULT_TRITON := (\S+)$", MAKEFILE, re.MULTILINE)
    assert default
    assert f"torch {PINS['torch']} and triton {default[1]}" in README
    dependencies = PROJECT["project"]["dependencies"]
    assert f"xdsl=={PINS['xdsl']}" in dependencies
    assert "PyTorch 2.11 and later, Triton 3.6 to 3.9" in README
    assert {"torch>=2.11", "triton>=3.6"} <= set(dependencies)
    assert "Python 3.11 to 3.13" in README
    assert PROJECT["project"]["requires-python"] == ">=3.11"


def test_the_first_kernel_of_the_readme_runs_and_prints_what_it_says(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    first = tmp_path / "first.py"
    first.write_text(blocks[0], encoding="utf-8")
    printed = subprocess.run([sys.executable, "first.py"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert blocks[1].removesuffix("    ...\n") in printed.stdout
    command = re.search(r"^helion-opt (first.py .*)$", README, re.MULTILINE)
    assert command
    arguments = shlex.split(command[1].replace("first.py", str(first)))
    assert "{reduction = 0 : i64}" in lit.run_command(["helion-opt", *arguments]).out


def test_the_kernel_of_the_architecture_is_at_every_level_what_is_shown(tmp_path: Path) -> None:
    """Each command with the block behind it, in which `…` stands for part of a line and `...` for lines."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    kernel = tmp_path / "row_sum.py"
    kernel.write_text(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], encoding="utf-8")
    shown = re.findall(r"```sh\nhelion-opt (row_sum.py .*?)\n```\n```(?:mlir|python)\n(.*?)```", text, re.DOTALL)
    assert len(shown) == 4
    for command, block in shown:
        arguments = shlex.split(command.replace("row_sum.py", str(kernel), 1))
        printed = "\n".join(line.strip() for line in lit.run_command(["helion-opt", *arguments]).out.splitlines())
        lines = [re.escape(line.strip()).replace("…", ".*") + "\n" for line in block.splitlines()]
        assert re.search("".join(lines).replace(r"\.\.\." + "\n", "(?:.*\n)*?"), printed), command


def test_the_order_of_packages_is_the_contract() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    shown = re.search(r"```\n(cli .*?)```", text, re.DOTALL)
    assert shown
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    assert " ".join(shown[1].split()).split(" > ") == next(each["layers"] for each in contracts if "layers" in each)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_document_names_exists(document: str) -> None:
    """Paths in backticks, from the root, the package or the document's folder; targets of links."""
    text = (ROOT / document).read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    prose = re.sub(r"`(first|row_sum)\.py`", "", prose)  # what a reader saves
    paths = re.findall(r"`([\w./-]+\w\.(?:py|md|mlir|toml|txt)|\w+/[\w/]*)`", prose)
    folder = (ROOT / document).parent
    assert [
        path for path in paths if not any((base / path).exists() for base in (ROOT, ROOT / "helion_ir", folder))
    ] == []
    assert [link for link in re.findall(r"\]\(([^)#:]+)\)", prose) if not (folder / link).exists()] == []


def test_the_index_of_files_says_what_each_module_holds() -> None:
    printed = subprocess.run([sys.executable, str(ROOT / ".ci" / "map.py")], check=True, capture_output=True, text=True)
    silent = [line for line in printed.stdout.splitlines() if line.endswith("`: ")]
    assert "- `pipeline.py`: " in printed.stdout
    assert not silent


def test_the_fused_kernel_of_the_readme_is_the_example() -> None:
    shown = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[2]
    example = (ROOT / "examples/distributed/gemm_one_shot_all_reduce.py").read_text(encoding="utf-8")
    assert shown in example


def test_figures_are_those_that_were_measured() -> None:
    """Each row of the tables of times, by its first two figures; what the README says of them stands in a table."""
    results = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks/results").glob("*.md"))
    measured = [float(figure) for figure in re.findall(r"\d+\.\d+", results)]
    rows = [line for line in FIGURES.splitlines() if line.startswith("| ") and re.search(r"\d+\.\d", line)]
    assert len(rows) >= 19
    for row in rows:
        for cell in row.split("|")[2:4]:
            if re.fullmatch(r"\s*\d+\.\d\s*", cell):
                assert any(abs(figure - float(cell)) <= 0.0501 for figure in measured), (cell, row)
    assert set(re.findall(r"(\d+\.\d) µs", README)) <= {
        figure for row in rows for figure in re.findall(r"\d+\.\d", row)
    }
