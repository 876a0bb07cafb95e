"""The scheduled pipeline on hand-written kernels: what each stage computes, from tile IR to tl."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
import torch
from helion_ir.dialects.verify import verify_module
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from helion_ir.interpreter.run_tile import Argument
from helion_ir.pipeline import Pipeline
from helion_ir.space.config_spec import ConfigSpec

from ..support.differential import check_pass_agrees
from ..support.ir_text import kernel


def _random(*sizes: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(sizes, generator=torch.Generator().manual_seed(sum(sizes)), dtype=torch.float64).to(dtype)


CASES = {
    "add": lambda: [_random(37, 53), _random(53, 37).t().contiguous(), torch.zeros(37, 53)],
    "matmul": lambda: [
        _random(11, 19, dtype=torch.bfloat16),
        _random(19, 13, dtype=torch.bfloat16),
        torch.zeros(11, 13),
    ],
    "embedding": lambda: [
        torch.randint(0, 101, (37,), generator=torch.Generator().manual_seed(1)),
        _random(101, 53),
        torch.zeros(37, 53),
    ],
    "softmax": lambda: [_random(37, 53, dtype=torch.float16), torch.zeros(37, 53, dtype=torch.float16)],
    "layer_norm": lambda: [_random(37, 53), _random(53), torch.zeros(37, 53), 1e-5],
    "attention": lambda: [_random(61, 24), _random(61, 24).flip(0), _random(61, 24).flip(1), torch.zeros(61, 24)],
}
CONFIGS: dict[str, dict[str, object]] = {
    "default": {},
    "small": {"block_sizes": [8, 8, 4]},
    "unit_rows": {"block_sizes": [1, 64, 16]},
    "wide": {"block_sizes": 64},
    "persistent_blocked": {"pid_type": "persistent_blocked", "block_sizes": 8},
    "persistent_interleaved": {"pid_type": "persistent_interleaved", "block_sizes": 8},
    "xyz": {"pid_type": "xyz", "block_sizes": 16},
    "descriptors": {"indexing": "tensor_descriptor", "block_sizes": 16},
    "rolled": {"reduction_loops": 16, "block_sizes": 8},
}


def _config_free(name: str) -> ModuleOp:
    module = kernel(name)
    for pass_ in Pipeline().config_free():
        pass_.apply(Context(), module)
    verify_module(module)
    return module


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", CASES)
def test_every_pass_keeps_the_results(name: str, config: str) -> None:
    before = _config_free(name)
    spec = ConfigSpec(before)
    asked = {
        key: value[: len(spec.keys[key])] if isinstance(value, list) else value
        for key, value in CONFIGS[config].items()
        if key in spec.keys
    }
    make_args = partial(_fresh, CASES[name]())
    for pass_ in Pipeline().scheduled(spec.normalize(asked), before):
        after = before.clone()
        pass_.apply(Context(), after)
        check_pass_agrees(before, after, make_args, tol=2e-3 if name == "softmax" else 2e-5)
        before = after


def _fresh(args: Sequence[Argument]) -> list[Argument]:
    return [arg.clone() if isinstance(arg, torch.Tensor) else arg for arg in args]
