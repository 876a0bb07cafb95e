"""Is the fused kernel right? Dtypes, odd sizes, both spellings, many launches in a row, replay of CUDA graphs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from _compile_ahead import Ahead
from _ranks import Ranks
from _symmetric import Shared, share
from gemm_one_shot_all_reduce import SPELLINGS, gemm_one_shot_all_reduce, kernel_args, operands

import helion_ir

Sizes = tuple[int, int, int]
Operands = tuple[torch.Tensor, torch.Tensor]

EXACT = helion_ir.kernel(gemm_one_shot_all_reduce.fn, dot_precision="ieee")
"""The kernel without tf32, so that float32 is held to the tolerance of `torch.testing.assert_close` for float32."""
CONFIGS: dict[Sizes, dict[str, Any]] = {
    (1, 1, 1): {"block_sizes": [16, 16, 16]},
    (130, 70, 33): {"block_sizes": [32, 64, 32], "l2_groupings": [4], "num_stages": 2},
    (256, 192, 160): {"block_sizes": [64, 64, 64], "l2_groupings": [8], "num_warps": 4, "num_stages": 3},
}
PERSISTENT = {"block_sizes": [32, 32, 64], "pid_type": "persistent_interleaved", "num_stages": 2}
LAUNCHES = 200
REPLAYS = 20


@dataclass
class Case:
    """A kernel under a config on its own buffers."""

    sizes: Sizes
    dtype: torch.dtype
    spelling: str
    config: dict[str, Any]
    shared: Shared
    compiled: Any = field(init=False)

    def __post_init__(self) -> None:
        example = operands(self.sizes, self.shared.rank, self.dtype, "cuda")
        self.args = kernel_args(*example, self.shared, self.spelling)
        self.compiled = helion_ir.compile(EXACT, helion_ir.Config(**self.config), self.args)

    def __str__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        return f"{'x'.join(map(str, self.sizes))} {dtype}, {self.spelling}, {self.config}"

    def inputs(self, seed: int) -> Operands:
        return operands(self.sizes, self.shared.rank, self.dtype, "cuda", seed)

    def run(self, given: Operands) -> torch.Tensor:
        return self.compiled(*given, *self.args[2:])


def all_cases() -> Iterator[Case]:
    """Every dtype, size, spelling, and kind of unrolling; then persistent programs."""
    buffers = {sizes: share(sizes[0], sizes[1]) for sizes in CONFIGS}
    dtypes = (torch.float32, torch.float16, torch.bfloat16)
    for sizes, dtype, spelling, unrolled in itertools.product(CONFIGS, dtypes, SPELLINGS, (False, True)):
        config = {**CONFIGS[sizes], "static_ranges": unrolled}
        yield Case(sizes, dtype, spelling, config, buffers[sizes])
    last = (256, 192, 160)
    for spelling in SPELLINGS:
        yield Case(last, torch.bfloat16, spelling, PERSISTENT, buffers[last])


def exact(ranks: Ranks, given: Operands) -> torch.Tensor:
    """The sum over ranks of the products, in float64."""
    return ranks.total(given[0].double() @ given[1].double())


Results = list[tuple[torch.Tensor, torch.Tensor]]
"""Outputs, each with what it should be."""


def once(case: Case, ranks: Ranks) -> Results:
    """One launch."""
    given = case.inputs(1)
    return [(case.run(given), exact(ranks, given))]


def in_a_row(case: Case, ranks: Ranks) -> Results:
    """`LAUNCHES` launches on new operands, none waited for; now and then one rank's GPU is held up."""
    inputs = [case.inputs(seed) for seed in range(LAUNCHES)]
    delays = random.Random(ranks.rank)
    outputs = []
    for given in inputs:
        if delays.random() < 0.2:
            torch.cuda._sleep(delays.randrange(200_000))
        outputs.append(case.run(given))
    return [(output, exact(ranks, given)) for output, given in zip(outputs, inputs, strict=True)]


def replayed(case: Case, ranks: Ranks) -> Results:
    """A CUDA graph of two launches on the same buffers, replayed on new operands."""
    static = [case.inputs(0), case.inputs(1)]
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for given in static:
            case.run(given)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        outputs = [case.run(given) for given in static]
    results: Results = []
    for replay in range(REPLAYS):
        fresh = [case.inputs(10 + 2 * replay + i) for i in range(2)]
        for given, new in zip(static, fresh, strict=True):
            for target, source in zip(given, new, strict=True):
                target.copy_(source)
        graph.replay()
        results += [(output.clone(), exact(ranks, given)) for output, given in zip(outputs, fresh, strict=True)]
    return results


def _compared(results: Results, case: Case, ranks: Ranks) -> float:
    """The largest error. Raises AssertionError for a wrong result, one that is not the same on all ranks, or a pad that
    is not all zero. Ranks talk to each other first, so that one that fails leaves no other waiting."""
    totals = [ranks.total(output.double()) for output, _ in results]
    worst = 0.0
    for (output, expected), total in zip(results, totals, strict=True):
        torch.testing.assert_close(output, expected.to(case.dtype))
        torch.testing.assert_close(total, output.double() * ranks.world_size, rtol=0, atol=0)
        worst = max(worst, (output.double() - expected).abs().max().item())
    assert not case.shared.pad.any(), "a signal was left behind"
    return worst


def _attempt(what: str, test: Callable[[Case, Ranks], Results], case: Case, ranks: Ranks) -> dict[str, Any]:
    """Run a test on all ranks; it counts as passed if it passed on all of them."""
    ranks.alive()
    failure, error = "", -1.0
    try:
        error = _compared(test(case, ranks), case, ranks)
    except Exception as wrong:  # What cannot be compiled cannot be on any rank.
        failure = f"{type(wrong).__name__}: {wrong}"[:400]
    passed = ranks.all_true(not failure)
    if not passed:
        ranks.say(f"WRONG {what} {case}: {failure or 'on another rank'}")
    return {"test": what, "case": str(case), "ok": passed, "max_error": ranks.largest([error])[0], "why": failure}


def check_all(ranks: Ranks, ahead: Ahead) -> list[dict[str, Any]]:
    """All tests; a row each."""
    cases = list(all_cases())
    for case in cases:
        ahead.submit(case.compiled, case.args)
    ranks.alive()
    ahead.wait()
    ranks.say(f"{len(cases)} cases compiled")
    rows = [_attempt("one launch", once, case, ranks) for case in cases]
    soaked = [
        case
        for case in cases
        if case.dtype != torch.float16 and case.sizes != (1, 1, 1) and case.config.get("static_ranges") is not False
    ]
    rows += [_attempt(f"{LAUNCHES} launches in a row", in_a_row, case, ranks) for case in soaked]
    rows += [_attempt(f"graph, {REPLAYS} replays", replayed, case, ranks) for case in soaked]
    return rows
