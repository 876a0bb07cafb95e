"""The problems that h100.py measures: our kernel, its candidate configs, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import attention
import layer_norm
import matmul
import softmax
import torch
from handwritten import flash_attention_triton, matmul_triton
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

Run = Callable[[], torch.Tensor]
DESCRIPTOR = "tensor_descriptor"


@dataclass
class Problem:
    """One kernel on one set of arguments.

    `configs` are ours by name; `others` run on the same arguments; `twins` names, for a config of ours, the
    hand-written kernel of the same blocking. `moved_bytes` and `operations` give the floor; `tolerance` bounds
    the relative error ‖actual − exact‖ / ‖exact‖.
    """

    name: str
    kernel: Any
    args: tuple[Any, ...]
    exact: Callable[[], torch.Tensor]
    configs: dict[str, dict[str, Any]]
    others: dict[str, Run]
    moved_bytes: int
    operations: int = 0
    twins: dict[str, str] = field(default_factory=dict)
    result: Callable[[Any], torch.Tensor] = lambda value: value
    tolerance: float = 5e-3


def matmul_problem() -> Problem:
    """bf16 4096³ under one blocking, beside the hand-written kernel of that blocking and cuBLAS."""
    x, y = matmul.example_args("cuda", torch.bfloat16, (4096, 4096, 4096))
    blocking = {"block_sizes": [128, 256, 64], "num_warps": 8, "l2_groupings": [8]}
    configs: dict[str, dict[str, Any]] = {}
    others: dict[str, Run] = {"cuBLAS": lambda: x @ y}
    twins: dict[str, str] = {}
    for stages in (3, 4):
        by_hand = f"by hand, {stages} stages"
        others[by_hand] = lambda stages=stages: matmul_triton.matmul(x, y, num_stages=stages)
        variants = {
            "pointer": {"indexing": "pointer"},
            "tma": {"indexing": DESCRIPTOR},
            "tma loads": {"indexing": [DESCRIPTOR, DESCRIPTOR, "pointer"]},
        }
        if stages == 3:
            variants["persistent tma"] = {"indexing": DESCRIPTOR, "pid_type": "persistent_interleaved"}
        for variant, options in variants.items():
            name = f"{variant}, {stages} stages"
            configs[name] = {**blocking, **options, "num_stages": stages}
            twins[name] = by_hand
    return Problem(
        "matmul bf16 4096³", matmul.matmul, (x, y), lambda: matmul.reference(x, y), configs, others,
        3 * x.numel() * 2, 2 * 4096**3, twins,
    )  # fmt: skip


def attention_problem(causal: bool) -> Problem:
    """bf16 [2, 32, 4096, 128] under several blockings, each beside its hand-written twin, and PyTorch's attention."""
    q, k, v, _ = args = attention.example_args("cuda", torch.bfloat16, (2, 32, 4096, 128), causal)
    configs: dict[str, dict[str, Any]] = {}
    others: dict[str, Run] = {}
    twins: dict[str, str] = {}
    variants = {
        "pointer": {},
        "pointer xyz": {"pid_type": "xyz"},
        "tma xyz": {"pid_type": "xyz", "indexing": DESCRIPTOR},
    }
    for block_m, block_n, warps, stages in ((128, 128, 8, 2), (128, 128, 8, 3), (128, 64, 8, 3), (64, 64, 4, 3)):
        blocking = f"{block_m}×{block_n}, {warps} warps, {stages} stages"
        by_hand = f"by hand, {blocking}"
        others[by_hand] = lambda blocks=(block_m, block_n), warps=warps, stages=stages: (
            flash_attention_triton.attention(q, k, v, causal, blocks, warps, stages)
        )
        keys = [block_n] * (2 if causal else 1)
        for variant, options in variants.items():
            name = f"{variant}, {blocking}"
            configs[name] = {"block_sizes": [block_m, *keys], "num_warps": warps, "num_stages": stages, **options}
            twins[name] = by_hand

    def library(backend: SDPBackend) -> Run:
        def run() -> torch.Tensor:
            with sdpa_kernel(backend):
                return scaled_dot_product_attention(q, k, v, is_causal=causal)

        return run

    others["SDPA flash"] = library(SDPBackend.FLASH_ATTENTION)
    others["SDPA cuDNN"] = library(SDPBackend.CUDNN_ATTENTION)
    operations = 4 * q.numel() * 4096 // (2 if causal else 1)
    name = f"attention{' causal' if causal else ''} bf16 2×32×4096×128"
    return Problem(
        name, attention.attention, args, lambda: attention.reference(*args), configs, others,
        4 * q.numel() * 2, operations, twins, tolerance=1e-2,
    )  # fmt: skip


def row_configs(columns: int) -> dict[str, dict[str, Any]]:
    """Whole rows by 1 to 4 at a time, and rows in pieces."""
    configs: dict[str, dict[str, Any]] = {}
    for rows, warps in ((1, 4), (1, 8), (1, 16), (2, 8), (4, 16)):
        configs[f"whole, {rows} rows, {warps} warps"] = {"block_sizes": [rows], "num_warps": warps}
    configs["whole, 1 row, 8 warps, persistent"] = {
        "block_sizes": [1], "num_warps": 8, "pid_type": "persistent_interleaved", "num_sm_multiplier": 8,
    }  # fmt: skip
    for piece, warps in ((1024, 4), (2048, 8)):
        if piece < columns:
            name = f"pieces of {piece}, {warps} warps"
            configs[name] = {"block_sizes": [1], "reduction_loops": [piece], "num_warps": warps}
    return configs


def softmax_problem() -> Problem:
    """bf16 4096×4096: bound by memory."""
    (x,) = args = softmax.example_args("cuda", torch.bfloat16, (4096, 4096))
    return Problem(
        "softmax bf16 4096×4096", softmax.softmax, args, lambda: softmax.reference(x), row_configs(4096),
        {"torch": lambda: torch.softmax(x, dim=1)}, 2 * x.numel() * 2,
    )  # fmt: skip


def layer_norm_problem() -> Problem:
    """bf16 4096×5120: bound by memory; rows are no power of two."""
    x, weight, bias = args = layer_norm.example_args("cuda", torch.bfloat16, (4096, 5120))
    return Problem(
        "layer_norm bf16 4096×5120", layer_norm.layer_norm, args, lambda: layer_norm.reference(*args)[0],
        row_configs(5120), {"torch": lambda: torch.nn.functional.layer_norm(x, (5120,), weight, bias)},
        2 * x.numel() * 2 + 2 * 5120 * 2 + 2 * 4096 * 4, result=lambda results: results[0],
    )  # fmt: skip


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "matmul": matmul_problem,
    "attention": lambda: attention_problem(False),
    "attention causal": lambda: attention_problem(True),
    "softmax": softmax_problem,
    "layer_norm": layer_norm_problem,
}
