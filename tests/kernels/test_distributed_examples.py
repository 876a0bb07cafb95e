"""The fused kernels of examples/distributed: all ranks as threads on the interpreter, and binaries for absent GPUs."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

import helion_ir

from ..support.executions import environment, poisoned_allocations

ROOT = Path(__file__).resolve().parents[2]
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
TILED = helion_ir.Config(block_sizes=[64, 64, 64], l2_groupings=[8], num_warps=4, num_stages=3)
SMALL = {"block_sizes": [32, 32, 16], "l2_groupings": [2]}
SPELLINGS = ("language", "by hand")
SOURCES = pytest.mark.parametrize("spelling", SPELLINGS)


@cache
def module(name: str) -> Any:
    """A module of examples/distributed or benchmarks."""
    for folder in ("examples/distributed", "benchmarks"):
        if str(ROOT / folder) not in sys.path:
            sys.path.insert(0, str(ROOT / folder))
    return importlib.import_module(name)


@cache
def example() -> Any:
    return module("gemm_one_shot_all_reduce")


@cache
def exact_kernel() -> Any:
    """Without tf32; every pass is verified."""
    return helion_ir.kernel(example().gemm_one_shot_all_reduce.fn, dot_precision="ieee", verify_each=True)


@cache
def compiled(spelling: str) -> helion_ir.CompiledKernel:
    args = example().example_args("cpu", torch.bfloat16, (256, 192, 128), spelling)
    return helion_ir.compile(example().gemm_one_shot_all_reduce, TILED, args)


@pytest.mark.parametrize("level", ["tile", "tl"])
@pytest.mark.parametrize(
    ("sizes", "dtype", "world_size", "config"),
    [
        ((1, 1, 1), "float32", 2, {}),
        ((1, 1, 1), "bfloat16", 3, {"block_sizes": [16, 16, 16]}),
        ((130, 70, 33), "float32", 3, SMALL),
        ((130, 70, 33), "float16", 2, {**SMALL, "static_ranges": True}),
        ((130, 70, 33), "bfloat16", 2, {**SMALL, "pid_type": "persistent_interleaved"}),
        ((64, 48, 32), "float16", 3, {**SMALL, "static_ranges": True}),
    ],
)
def test_ranks_as_threads(
    sizes: tuple[int, int, int], dtype: str, world_size: int, config: dict[str, Any], level: str
) -> None:
    """Several launches in a row on the same buffers and pads; results are right on every rank, all signals taken."""
    with environment(HELION_INTERPRET_LEVEL=level), poisoned_allocations():
        example().run_on_interpreter(
            sizes, world_size, DTYPES[dtype], launches=3, kernel=exact_kernel(), config=helion_ir.Config(**config)
        )


def test_the_example_runs_without_gpus() -> None:
    script = ROOT / "examples" / "distributed" / "gemm_one_shot_all_reduce.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 ranks as threads, interpreter" in done.stdout
    assert "max error" in done.stdout


@SOURCES
def test_the_emitted_module_is_self_contained(spelling: str) -> None:
    tree = ast.parse(compiled(spelling).source)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported - {"__future__"}} <= {"torch", "triton"}
    names = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for function in ("gemm_one_shot_all_reduce", "_gemm_one_shot_all_reduce"):
        parameters = [argument.arg for argument in names[function].args.args]
        assert [name for name in parameters if "buf" in name] == ["buf_tuple"]


@SOURCES
def test_the_binary_orders_what_peers_see(spelling: str) -> None:
    """Tensor cores; a release after the tile is stored, an acquire before peers' tiles are read, block barriers."""
    ptx = compiled(spelling).binary("sm_90").asm["ptx"]
    assert "wgmma.mma_async" in ptx
    tries = 2 if spelling == "by hand" else 1  # by hand both signals are tried once, then repeated
    order = [name for line in ptx.splitlines() for name, pattern in EVENTS.items() if re.search(pattern, line)]
    runs = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    tail = runs[runs.index("store") :]
    first = ["store", "barrier", *["release", "acquire"] * tries, "barrier", "load", "barrier", "release"]
    assert tail[: len(first)] == first, runs


EVENTS = {
    "store": r"\bst\.global",
    "load": r"\bld\.global\.\S*b(32|128)",
    "barrier": r"\bbar\.sync",
    "release": r"\batom\b.*\.release\b.*\.cas|\batom\.release\S*\.cas|\bred\.release\S*\.add",
    "acquire": r"\batom\b.*\.acquire\b.*\.cas|\batom\.acquire\S*\.cas",
}


def test_the_signals_of_both_spellings() -> None:
    """By hand both compare-and-swaps are tried at once, then each until it succeeds; the language's send is an add."""
    atomics = {
        spelling: re.findall(
            r"(red|atom)\.(?:global\.)?(release|acquire|relaxed)", compiled(spelling).binary("sm_90").asm["ptx"]
        )
        for spelling in SPELLINGS
    }
    swap = [("atom", name) for name in ("release", "acquire", "relaxed")]
    assert atomics["by hand"] == [swap[0], swap[1]] * 2 + [swap[0], swap[2]] * 2
    assert atomics["language"] == [("red", "release"), swap[1], ("red", "release"), swap[2]]


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_the_rival_compiles(first: bool, last: bool) -> None:
    kernel = module("handwritten.gemm_one_shot_all_reduce_triton").gemm_one_shot_all_reduce_kernel
    signature: dict[str, Any] = {name: "constexpr" if name.isupper() else "i32" for name in kernel.arg_names}
    signature |= dict.fromkeys(("a_ptr", "b_ptr", "out_ptr"), "*bf16")
    signature |= {"buffers": ("*fp32", "*fp32"), "pads_ptr": "*u64"}
    constants = {
        "RANK": 0, "WORLD_SIZE": 2, "BLOCK_M": 64, "BLOCK_N": 64, "BLOCK_K": 64, "GROUP": 8, "EVEN_K": True,
        "PRECISION": "tf32", "FIRST_RELEASES": first,
        "LAST_RELEASES": last,
    }  # fmt: skip
    aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(signature) if name.endswith(("_ptr", "m", "n"))}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=aligned)
    options = {"num_warps": 4, "num_stages": 3, "enable_fp_fusion": True}  # 3.9 warns where nobody says
    binary = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    ptx = binary.asm["ptx"]
    assert "wgmma.mma_async" in ptx
    signals = re.findall(r"atom\.global\.(\w+)\.sys\.cas", ptx)
    assert signals == ["release" if first else "relaxed", "acquire", "release" if last else "relaxed", "relaxed"]


def test_threads_tell_failures_and_hangs() -> None:
    run_as_threads = module("_symmetric").run_as_threads
    assert run_as_threads(lambda rank: rank * rank, 3) == [0, 1, 4]

    def fails(rank: int) -> None:
        if rank == 1:
            raise ValueError("rank 1")

    with pytest.raises(ValueError, match="rank 1"):
        run_as_threads(fails, 2)
    never = module("threading").Event()
    with pytest.raises(TimeoutError, match=r"\[1\]"):
        run_as_threads(lambda rank: never.wait(20) if rank else None, 2, seconds=0.2)
    never.set()


def row(same: float, by_hand: float, wrong: dict[str, float] | None = None) -> dict[str, Any]:
    """What a contest of one shape reports."""
    contest = module("_contest")
    times = {contest.SAME: same, contest.BEST: min(same, 11.0), contest.HAND: by_hand, contest.NCCL: 14.0}
    return {
        "sizes": (64, 64, 64), "us": times, "best_config": {}, "same_config": {}, "tried": {}, "failed": {},
        "wrong": wrong or {},
        "bounds_us": {"links": 1.0, "meeting": 9.0}, "bound_by": "meeting", "bound_us": 9.0,
    }  # fmt: skip


def test_the_verdict(tmp_path: Path) -> None:
    """PASS needs every check, every shape, and no shape slower than by hand."""
    report_of = module("benchmark_gemm_one_shot_all_reduce").Report
    good = [{"test": "one launch", "case": "1x1x1", "ok": True}]
    report = report_of(tmp_path, {"devices": "2 x none"}, good, [row(12.0, 12.5)])
    assert report.verdict() == "correct everywhere: PASS | same blocking >= 1.0x by hand: PASS"
    report.write()
    assert "| 64×64×64 | 12.00 | 11.00 | 12.50 |  |  | 14.00 |  | 1.042 | 1.136 | 9.00 | meeting |" in (
        tmp_path / "symm.md"
    ).read_text(encoding="utf-8")
    for checks, rows, missing in (
        ([], [row(12.0, 12.5)], []),
        ([{**good[0], "ok": False}], [row(12.0, 12.5)], []),
        (good, [row(12.6, 12.5)], []),
        (good, [row(12.0, 12.5, {"by hand": 0.5})], []),
        (good, [row(12.0, 12.5)], ["(256, 256, 256)"]),
    ):
        assert "FAIL" in report_of(tmp_path, {}, checks, rows, missing).verdict()
