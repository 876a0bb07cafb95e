"""Sizes of 0 and 1 in every dimension of every example: nothing to do, or one lane of it; no division by a size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support.executions import TritonProcess, run_case
from ..support.matrix import EXECUTIONS, MATRIX, Arguments, Case, Config

SIZES: dict[str, tuple[Arguments, ...]] = {
    "add": tuple(
        {"shapes": shapes} for shapes in (((0,), (1,)), ((3, 0), (3, 1)), ((0, 4), (4,)), ((1, 1), (1,)))
    ),
    "matmul": tuple({"sizes": sizes} for sizes in ((0, 5, 7), (5, 0, 7), (5, 7, 0), (0, 0, 0), (1, 5, 1), (5, 1, 7))),
    "matmul_epilogue": tuple({"sizes": sizes, "bias": True} for sizes in ((0, 5, 7), (5, 0, 7), (5, 7, 0), (1, 1, 1))),
    "softmax": ({"sizes": (0, 37)}, {"sizes": (1, 37)}, {"sizes": (5, 1)}),
    "softmax_online": ({"sizes": (0, 37)}, {"sizes": (1, 37)}, {"sizes": (5, 1)}),
    "layer_norm": ({"sizes": (0, 37)}, {"sizes": (1, 37)}, {"sizes": (5, 1)}),
    "attention": tuple(
        {"sizes": sizes, "causal": causal}
        for sizes in ((0, 2, 9, 16), (2, 2, 0, 16), (1, 1, 1, 16), (1, 0, 9, 16)) for causal in (False, True)
    ),
    "embedding": tuple(
        {"ids_shape": ids, "table_shape": table}
        for ids, table in (((0,), (5, 8)), ((3, 0), (5, 8)), ((3,), (5, 0)), ((1,), (1, 8)), ((3,), (1, 1)))
    ),
    "cross_entropy": ({"sizes": (0, 37)}, {"sizes": (1, 37)}, {"sizes": (5, 1)}),
}  # fmt: skip
COMBINATIONS: tuple[tuple[bool, Config], ...] = ((True, {}), (False, {"pid_type": "persistent_interleaved"}))
"""Static shapes or not, and a config; how many programs there are is computed from the sizes, too."""


def cases() -> Iterator[Case]:
    for name, every in SIZES.items():
        for arguments in every:
            for static, config in COMBINATIONS:
                yield Case(name, arguments, "float32", static, config)


CASES = list(cases())


@pytest.fixture(scope="module")
def triton_process() -> Iterator[TritonProcess]:
    process = TritonProcess()
    yield process
    process.close()


def test_every_example_is_here() -> None:
    assert SIZES.keys() == MATRIX.keys()


@pytest.mark.filterwarnings("ignore:var_mean")  # PyTorch's own, of a reference of no rows
@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_degenerate(case: Case, execution: str, triton_process: TritonProcess) -> None:
    outcome = triton_process.run(case) if execution == "triton" else run_case(case, execution)
    assert outcome.failure is None, outcome.failure
