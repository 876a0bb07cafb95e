"""Options in a pipeline are as legal as those of a config: the passes that own them say so, in the same words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ..support import lit

ROOT = Path(__file__).parents[2]
BLOCKS = "assign-block-sizes{block_sizes=4}"
REST = "resolve-padding,convert-tile-to-tl,prepare-for-print"


def helion_opt(*argv: str) -> lit.Finished:
    return lit.run_command(["helion-opt", *argv])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config-free module of an example."""
    path = tmp_path_factory.mktemp("options") / "in.mlir"
    path.write_text(helion_opt(str(ROOT / "examples/softmax.py"), "--kernel", "softmax", "--print-debuginfo").out)
    return path


ILLEGAL = (
    ("assign-block-sizes{block_sizes=3}", "block_sizes[0]: 3 is not legal, expected a power of two"),
    (f"{BLOCKS},roll-reductions{{reduction_loops=3,3}}", "reduction_loops"),
    (f"{BLOCKS},set-launch-options{{num_warps=3}}", "num_warps: 3 is not legal"),
    (f"{BLOCKS},set-launch-options{{num_warps=-4}}", "num_warps: -4 is not legal"),
    (f"{BLOCKS},assign-cache-policy{{load_eviction_policies=foo}}", "load_eviction_policies[0]: 'foo' is not legal"),
    (f"{BLOCKS},assign-indexing{{indexing=foo}}", "indexing[0]: 'foo' is not legal"),
    (f'{BLOCKS},reorder-loops{{loop_orders="1-0"}}', "loop_orders: this kernel has no site for it"),
    (f"{BLOCKS},annotate-ranges{{range_unroll_factors=-1}}", "range_unroll_factors[0]: -1 is not legal"),
    (
        f"{BLOCKS},map-program-ids{{num_sm_multiplier=0 pid_type=persistent_blocked}}",
        "num_sm_multiplier: 0 is not legal",
    ),
)


@pytest.mark.parametrize(("pipeline", "message"), ILLEGAL, ids=[pipeline.split(",")[-1] for pipeline, _ in ILLEGAL])
def test_an_option_that_no_config_may_have_is_refused(source: Path, pipeline: str, message: str) -> None:
    done = helion_opt(str(source), "-t", "triton", "-p", f"{pipeline},{REST}")
    assert done.code == 1
    assert done.err.startswith(f"helion-opt: error: InvalidConfig: {message}"), done.err
    assert helion_opt(str(source), "-t", "triton", "-p", f"{BLOCKS},{REST}").code == 0


def test_a_missing_package_is_no_bug(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    done = helion_opt(str(source), "-t", "llvm")
    assert done.code == 1
    assert "package llvmlite, which is not installed" in done.err
    assert "bug" not in done.err
