"""Every example compiles for GPUs that are not here, and uses on Hopper what makes Hopper fast."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import helion_ir

from ..support.executions import case_args, example_kernel, example_module
from ..support.matrix import MATRIX, REPRESENTATIVE, Case

TARGETS = ("sm_80", "sm_90", "sm_100", "gfx942", "gfx950")
FIT = {"sm_80": 163 << 10, "sm_90": 227 << 10, "sm_100": 227 << 10, "gfx942": 64 << 10, "gfx950": 160 << 10}
"""Shared memory that one block can have, in bytes."""
BLOCKING = {"num_warps": 8, "num_stages": 3}


def ptx_of(example: str, sizes: tuple[int, ...], config: dict[str, Any], **arguments: object) -> str:
    """The sm_90 assembly of an example in bfloat16."""
    case = Case(example, {"sizes": sizes, **arguments}, "bfloat16", True, config)
    kernel = example_kernel(example, True)
    return helion_ir.compile(kernel, helion_ir.Config(**config), case_args(case, "cpu")).binary("sm_90").asm["ptx"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [name for name in MATRIX if name == MATRIX[name].module])
def test_compiles_for(name: str, target: str) -> None:
    arguments = REPRESENTATIVE[name]
    for number, config in enumerate(MATRIX[name].configs(arguments)):
        case = Case(name, arguments, ("bfloat16", "float32")[number % 2], number % 3 != 2, config)
        kernel = example_kernel(name, case.static_shapes)
        compiled = helion_ir.compile(kernel, helion_ir.Config(**config), case_args(case, "cpu"))
        resources = compiled.resources(target)
        assert compiled.binary(target).asm["cubin" if target.startswith("sm") else "hsaco"], case.id
        assert 0 <= resources.shared_bytes <= FIT[target], case.id


@pytest.mark.parametrize("indexing", ["pointer", "tensor_descriptor"])
def test_matmul_on_hopper(indexing: str) -> None:
    config = {"block_sizes": [128, 256, 64], "l2_groupings": [8], "indexing": indexing, **BLOCKING}
    ptx = ptx_of("matmul", (512, 512, 256), config)
    assert "wgmma.mma_async" in ptx
    assert ("cp.async.bulk.tensor" in ptx) == (indexing == "tensor_descriptor")


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("indexing", ["pointer", "tensor_descriptor"])
def test_attention_on_hopper(indexing: str, causal: bool) -> None:
    blocks = [128, 64, 64] if causal else [128, 64]
    config = {"block_sizes": blocks, "indexing": indexing, **BLOCKING}
    ptx = ptx_of("attention", (1, 2, 512, 128), config, causal=causal)
    # Both products: 128/16 and 64/16 instructions for the two warp groups alike.
    loops = 2 if causal else 1
    assert ptx.count("wgmma.mma_async") >= 12 * loops
    assert ("cp.async.bulk.tensor" in ptx) == (indexing == "tensor_descriptor")


@pytest.mark.parametrize("name", sorted({(example.module) for example in MATRIX.values()}))
def test_hand_picked_configs_compile(name: str) -> None:
    """The configs that the examples give for an H100 are legal at their GPU sizes, and fit on sm_90."""
    module = example_module(name)
    for title, config in module.CONFIGS.items():
        kernel = getattr(module, title.split()[0])
        make = {"causal": True} if "causal" in title else {}
        args = module.example_args("meta", dtype=torch.bfloat16, **make, **GPU_SIZES[name])
        args = tuple(_spec(arg) for arg in args)
        resources = helion_ir.compile(kernel, config, args).resources("sm_90")
        assert resources.shared_bytes <= FIT["sm_90"], title
        assert resources.spills == 0, title


GPU_SIZES: dict[str, dict[str, Any]] = {
    "add": {"shapes": ((4097, 4097), (4097,))},
    "matmul": {"sizes": (4096, 4096, 4096)},
    "softmax": {"sizes": (4096, 4096)},
    "layer_norm": {"sizes": (4096, 5120)},
    "attention": {"sizes": (2, 32, 4096, 128)},
    "embedding": {"ids_shape": (8, 1024), "table_shape": (32000, 4096)},
    "cross_entropy": {"sizes": (4096, 32000)},
}
"""Sizes of `example_args` on a GPU."""


def _spec(arg: object) -> object:
    """A meta tensor as the description of one on a GPU; other arguments as they are."""
    if not isinstance(arg, torch.Tensor):
        return arg
    return helion_ir.TensorSpec(arg.shape, arg.dtype, strides=arg.stride(), device="cuda")
