"""`helion-opt`: options, and diagnostics instead of tracebacks."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..support import lit

KERNEL = """\
tile.kernel @add attributes {arg_names = ["x"], arg_exprs = ["x"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, \
host = "", index_type = i32} {
^bb0(%x: !tile.ref<[100], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %n = arith.constant 100 : i32
  tile.grid (%c0) to (%n) by <b0> : i32 {
  ^bb1(%tile: !tile.tile<b0>):
    %v = tile.load %x[%tile] : !tile.ref<[100], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
    %w = tile.load %x[%tile] : !tile.ref<[100], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
    %s = arith.addf %v, %w : tensor<?xf32, #tile.dims<b0>>
    tile.store %s, %x[%tile] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[100], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
}
"""
POSITION = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): error: (?P<message>.*)$", re.MULTILINE)


def helion_opt(*argv: str, stdin: str = "") -> lit.Finished:
    done = lit.run_command(["helion-opt", *argv], stdin)
    assert "Traceback" not in done.err + done.out
    assert "internal error" not in done.err, done.err
    return done


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    path = tmp_path / "add.mlir"
    path.write_text(KERNEL)
    return path


def failure(*argv: str, stdin: str = "") -> str:
    """The standard error of a run that fails."""
    done = helion_opt(*argv, stdin=stdin)
    assert done.code == 1, done.out
    assert done.err
    return done.err


def test_prints_what_it_parsed(kernel: Path) -> None:
    done = helion_opt(str(kernel))
    assert done.code == 0
    assert not done.err
    assert helion_opt(stdin=done.out).out == done.out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("-p", "no-such-pass"), "Unrecognized passes: ['no-such-pass']"),
        (("-p", "cse{"), "Error parsing pass pipeline specification"),
        (("-p", "cse{fast=true}"), 'Provided arguments ["fast"] not found'),
        (("-t", "no-such-target"), "invalid choice: 'no-such-target'"),
        (("--no-such-option",), "unrecognized arguments: --no-such-option"),
        (("--print-ir-after=cse",), "not in the pipeline: cse"),
        (("-f", "no-such-frontend"), "invalid choice: 'no-such-frontend'"),
    ],
)
def test_bad_options(kernel: Path, argv: tuple[str, ...], message: str) -> None:
    assert message in failure(str(kernel), *argv)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "missing.mlir: No such file or directory" in failure(str(tmp_path / "missing.mlir"))
    assert "Is a directory" in failure(str(tmp_path))
    (tmp_path / "notes.txt").write_text("")
    assert "Unrecognized file extension 'txt'" in failure(str(tmp_path / "notes.txt"))
    (tmp_path / "binary.mlir").write_bytes(bytes(range(256)))
    assert POSITION.search(failure(str(tmp_path / "binary.mlir")))


def broken(kernel: Path, old: str, new: str, *argv: str) -> re.Match[str]:
    """The position in the diagnostic for the kernel with one change, which it must find on the changed line."""
    assert KERNEL.count(old) == 1
    text = KERNEL.replace(old, new)
    kernel.write_text(text)
    found = POSITION.match(failure(str(kernel), *argv))
    assert found
    assert found["file"] == str(kernel)
    changed = text[: text.index(new)].count("\n") + 1
    assert int(found["line"]) == changed
    return found


def test_syntax_error_shows_line_and_caret(kernel: Path) -> None:
    broken(kernel, "%w = tile.load %x[", "%w = tile.load %x(")
    error = failure(str(kernel))
    caret_line = error.splitlines()[2]
    source_line = error.splitlines()[1]
    assert source_line[caret_line.index("^") :].startswith("(%tile]")


def test_type_error_is_located(kernel: Path) -> None:
    """Types are checked when an op is complete: the position is that of the op, or what follows it."""
    text = KERNEL.replace("%s = arith.addf %v, %w : tensor<?xf32", "%s = arith.addf %v, %w : tensor<?xf64")
    kernel.write_text(text)
    found = POSITION.match(failure(str(kernel)))
    assert found
    assert text.splitlines()[int(found["line"]) - 1].strip().startswith("%s = ")


def test_verification_error_is_located(kernel: Path) -> None:
    kernel.write_text(KERNEL.replace("^bb1(%tile: !tile.tile<b0>):", "^bb1(%tile: !tile.tile<b0>, %extra: i32):"))
    found = POSITION.match(failure(str(kernel)))
    assert found
    assert (int(found["line"]), int(found["column"])) == (5, 3)
    assert found["message"] == "'tile.grid': the body must have 1 arguments, got 2"


def test_use_before_definition_is_an_error(kernel: Path) -> None:
    definition = "  %c0 = arith.constant 0 : i32\n"
    found = broken(kernel, definition, f"  %d = arith.addi %c0, %c0 : i32\n{definition}")
    assert "'arith.addi': %c0" in found["message"]
    assert "before its definition" in found["message"]


def test_use_outside_the_defining_loop_is_an_error(kernel: Path) -> None:
    end = "    tile.yield\n  }\n"
    kernel.write_text(KERNEL.replace(end, f"{end}  %e = tile.end %tile : !tile.tile<b0> -> i32\n"))
    assert "used but not defined: [%tile]" in failure(str(kernel))


def test_positions_count_the_chunks_before(kernel: Path) -> None:
    kernel.write_text(f"{KERNEL}// -----\n{KERNEL.replace('tile.store', 'tile.stor')}")
    found = POSITION.match(failure(str(kernel), "--split-input-file"))
    assert found
    assert kernel.read_text().splitlines()[int(found["line"]) - 1].strip().startswith("tile.stor ")


def test_diagnostics_as_output(kernel: Path) -> None:
    kernel.write_text(KERNEL.replace("%w = tile.load %x[%tile]", "%w = tile.load %x[%tile, %tile]"))
    done = helion_opt(str(kernel), "--parsing-diagnostics", "--verify-diagnostics")
    assert done.code == 0
    assert done.out


def test_print_around_passes(kernel: Path) -> None:
    pipeline = ("-p", "canonicalize,cse,dce")
    done = helion_opt(str(kernel), *pipeline, "--print-ir-before=cse", "--print-ir-after=cse", "-o", "/dev/null")
    before, after = done.out.split("// IR after cse:\n")
    assert before.startswith("// IR before cse:\n")
    assert (before.count("tile.load"), after.count("tile.load")) == (2, 1)
    done = helion_opt(str(kernel), *pipeline, "--print-between-passes", "-o", "/dev/null")
    assert re.findall(r"IR after (\w+):", done.out) == ["canonicalize", "cse"]
    done = helion_opt(str(kernel), *pipeline, "--print-ir-on-change", "-o", "/dev/null")
    assert re.findall(r"IR changed by (\w+):", done.out) == ["cse"]


def test_dump_directory_replays(kernel: Path, tmp_path: Path) -> None:
    dumps = tmp_path / "dumps"
    helion_opt(str(kernel), "-p", "cse,dce", "--dump-dir", str(dumps), "--print-debuginfo")
    assert sorted(path.name for path in dumps.iterdir()) == ["00-input.mlir", "01-cse.mlir", "02-dce.mlir"]
    direct = helion_opt(str(kernel), "-p", "cse,dce", "--print-debuginfo").out
    assert helion_opt(str(dumps / "01-cse.mlir"), "-p", "dce", "--print-debuginfo").out == direct
    assert f'loc("{kernel}":' in direct


def test_a_long_string_without_end_is_found_at_once(tmp_path: Path) -> None:
    """xDSL's own lexer takes time exponential in its length."""
    (tmp_path / "open.mlir").write_text('"test.op"() {source = "' + "x = 1 " * 1000)
    assert POSITION.match(failure(str(tmp_path / "open.mlir")))


MUTATED = sorted((lit.ROOT / "dialects").glob("*.mlir"))


@pytest.mark.parametrize("path", MUTATED, ids=lambda path: path.stem)
def test_truncated_input_never_ends_in_a_traceback(path: Path, tmp_path: Path) -> None:
    text = path.read_bytes().split(b"// CHECK:      ")[0]
    target = tmp_path / path.name
    for end in range(0, len(text), max(1, len(text) // 60)):
        target.write_bytes(text[:end])
        done = helion_opt(str(target))
        assert (done.code == 0) == (not done.err)


TOKEN = re.compile(r'"[^"\n]*"|[%#!^@]?[\w.]+|->|\S')
REPLACEMENTS = (
    "", "(", "}", "%", "<", "f32", "i32", "-1", "99999999999999999999", "!tile.tile<b0>", "#tile.dims<>",
    "tensor<4xf32>", '"', "{{", "none", "%undefined", "@symbol", "index", "ui8", "tensor<?xf32>", "vector<4xf32>",
    "0x", "loc(unknown)",
)  # fmt: skip


@pytest.mark.parametrize("path", MUTATED, ids=lambda path: path.stem)
def test_mutated_input_never_ends_in_a_traceback(path: Path, tmp_path: Path) -> None:
    text = path.read_text().split("// CHECK:      ")[0]
    tokens = [match.span() for match in TOKEN.finditer(text)]
    target = tmp_path / path.name
    rng = random.Random(path.stem)
    for _ in range(40):
        start, end = rng.choice(tokens)
        other = rng.choice(tokens)
        new = rng.choice((*REPLACEMENTS, text[other[0] : other[1]]))
        target.write_text(f"{text[:start]}{new}{text[end:]}")
        helion_opt(str(target))
        helion_opt(str(target), "--split-input-file", "-p", "canonicalize,cse,dce")


def test_the_installed_commands_know_us(kernel: Path) -> None:
    """`helion-opt`, and the stock `xdsl-opt` through the entry point."""

    def run(tool: str, *argv: str | Path) -> str:
        return subprocess.run([folder / tool, *argv], capture_output=True, text=True, check=True).stdout

    folder = Path(sys.executable).parent
    ours = run("helion-opt", kernel, "-p", "number-sites")
    assert "site = 0" in ours
    assert run("xdsl-opt", kernel, "-p", "number-sites") == ours
    assert "triton" in run("xdsl-opt", "--help").split("Available targets are:")[1]
    bad = subprocess.run([folder / "helion-opt", kernel, "-p", "nope"], capture_output=True, text=True, check=False)
    assert bad.returncode == 1


PYTHON = """\
import torch
import helion_ir
import helion_ir.language as hl

def fill(out, value):
    for tile in hl.tile(out.size(0)):
        out[tile] = value

first = helion_ir.kernel(fill)

def example_args(device="cpu"):
    return torch.empty(9, device=device), 1
"""


def test_python_input(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(PYTHON)
    assert "tile.kernel @fill" in helion_opt(str(path)).out
    assert helion_opt(str(path), "--kernel", "first").code == 0
    assert "no kernel 'second'; kernels of this file: first" in failure(str(path), "--kernel", "second")
    path.write_text(PYTHON.replace('(device="cpu")', "()").replace(", device=device", ""))
    assert "tile.kernel @fill" in helion_opt(str(path)).out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("first = helion_ir.kernel(fill)", "first = helion_ir.kernel(fill); second = first", "--kernel must name one"),
        ("first = helion_ir.kernel(fill)", "first = None", "kernels: none"),
        ("def example_args", "def other_args", "the file must define example_args(device)"),
        ("return torch.empty(9, device=device), 1", "return 1 / 0", "example.py:12:5: error: ZeroDivisionError"),
        ("first = helion_ir.kernel(fill)", "first = helion_ir.kernel(", "SyntaxError"),
        ("first = helion_ir.kernel(fill)", "import sys; sys.exit(3)", "SystemExit"),
        ("first = helion_ir.kernel(fill)", "import no_such_module", "ModuleNotFoundError"),
    ],
)
def test_python_input_that_does_not_serve(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "example.py"
    path.write_text(PYTHON.replace(old, new))
    assert message in failure(str(path))
