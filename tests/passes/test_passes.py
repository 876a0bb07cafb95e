"""Every kernel means the same after every pass, under the default and random configs, and at odd sizes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
import torch
from helion_ir.dialects.tile import Tile
from helion_ir.dialects.verify import verify_module
from torch import Tensor
from xdsl.context import Context
from xdsl.dialects import arith, math, scf
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.passes import PassPipeline

from helion_ir.interpreter.run_tile import Argument
from helion_ir.pipeline import CONVERSION, Pipeline, pass_class, pass_table, pipeline_string
from helion_ir.space.config_spec import ConfigSpec

from ..support.differential import check_pass_agrees
from ..support.ir_text import kernel, parse


def random(*sizes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(sizes, generator=torch.Generator().manual_seed(sum(sizes)), dtype=torch.float64).to(dtype)


def few(*sizes: int) -> Tensor:
    """Small integers, so that rows have ties."""
    return torch.randint(-9, 10, sizes, generator=torch.Generator().manual_seed(sum(sizes)))


ARGUMENTS: dict[str, Callable[[], list[Argument]]] = {
    "add": lambda: [random(37, 53), random(53, 37).reshape(37, 53), torch.zeros(37, 53)],
    "matmul": lambda: [
        random(37, 41, dtype=torch.bfloat16), random(41, 53, dtype=torch.bfloat16), torch.zeros(37, 53),
    ],
    "softmax": lambda: [random(37, 53, dtype=torch.float16), torch.zeros(37, 53, dtype=torch.float16)],
    "layer_norm": lambda: [random(37, 53), random(53), torch.zeros(37, 53), 1e-5],
    "embedding": lambda: [few(37).abs() * 11, random(101, 53), torch.zeros(37, 53)],
    "attention": lambda: [random(61, 24), random(61, 24) / 3, random(61, 24) + 1, torch.zeros(61, 24)],
    "branch": lambda: [
        random(11, 53), torch.arange(-5, 6, dtype=torch.int32), 10.0, torch.zeros(11, 53),
        torch.zeros(11, dtype=torch.int32),
    ],
    "rows_layer_norm": lambda: [random(37, 53), random(53), torch.zeros(37, 53), torch.zeros(37), 1e-5],
    "rows_argmax": lambda: [few(37, 53).float(), torch.zeros(37), torch.zeros(37, dtype=torch.int64), torch.zeros(37)],
    "rows_inplace": lambda: [random(37, 53)],
    "rows_rank3": lambda: [
        few(37, 5, 21).int(), torch.zeros(37, 5, dtype=torch.int32), torch.zeros(37, dtype=torch.int32),
    ],
}  # fmt: skip
TOLERANCE = {"softmax": 2e-3, "matmul": 1e-4}


def context() -> Context:
    made = Context()
    for dialect in (Builtin, arith.Arith, math.Math, scf.Scf, Tile):
        made.load_dialect(dialect)
    return made


def config_free(name: str) -> ModuleOp:
    module = kernel(name)
    for pass_ in Pipeline().config_free():
        pass_.apply(context(), module)
        verify_module(module)
    return module


def block_sizes(module: ModuleOp) -> dict[str, int]:
    (found,) = module.body.block.ops
    return found.block_size_values  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_config_free_passes_keep_the_meaning(name: str):
    check_pass_agrees(kernel(name), config_free(name), ARGUMENTS[name], TOLERANCE.get(name, 1e-5))


@pytest.mark.parametrize("draw", range(4))
@pytest.mark.parametrize("name", ARGUMENTS)
def test_schedules_keep_the_meaning(name: str, draw: int):
    """Draw 0 is the default config; each draw checks after every pass that changed the IR's structure."""
    before = config_free(name)
    spec = ConfigSpec(before)
    config = spec.normalize(spec.random(Random(draw)) if draw else spec.default_config())
    passes = Pipeline().scheduled(config, before, to_tl=False)
    text = pipeline_string(passes)
    assert list(PassPipeline.parse_spec(pass_table(), text).passes) == passes
    after = before.clone()
    for pass_ in passes:
        pass_.apply(context(), after)
        verify_module(after)
    check_pass_agrees(before, after, ARGUMENTS[name], TOLERANCE.get(name, 1e-5), block_sizes=block_sizes(after))


@pytest.mark.parametrize("chunk", [1, 8, 16])
@pytest.mark.parametrize("name", [name for name in ARGUMENTS if name.startswith("rows_")] + ["softmax"])
@pytest.mark.parametrize("rows", [1, 8])
def test_rolling_keeps_the_meaning(name: str, chunk: int, rows: int):
    before = config_free(name)
    spec = ConfigSpec(before)
    assert len(spec.reduction_loops) >= 1
    config = spec.normalize({"block_sizes": [rows], "reduction_loops": chunk})
    after = before.clone()
    for pass_ in Pipeline().scheduled(config, before, to_tl=False):
        pass_.apply(context(), after)
        verify_module(after)
    assert any(op.name == "tile.for" for op in after.walk())
    check_pass_agrees(before, after, ARGUMENTS[name], TOLERANCE.get(name, 1e-5), block_sizes=block_sizes(after))


@pytest.mark.parametrize("draw", range(3))
@pytest.mark.parametrize("name", ["attention", "softmax", "rows_layer_norm", "rows_argmax", "rows_rank3"])
def test_no_padding_is_seen_after_conversion(name: str, draw: int):
    """At the tl level nothing ignores padding by definition any more: what resolve-padding missed would show."""
    before = config_free(name)
    spec = ConfigSpec(before)
    config = spec.normalize(spec.random(Random(draw)) if draw else spec.default_config())
    after = before.clone()
    for pass_ in Pipeline().scheduled(config, before, to_tl=False):
        pass_.apply(context(), after)
    sizes = block_sizes(after)
    pass_class(CONVERSION)().apply(context(), after)
    check_pass_agrees(before, after, ARGUMENTS[name], TOLERANCE.get(name, 1e-5), block_sizes=sizes)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_scheduled_modules_round_trip_as_text(name: str):
    before = config_free(name)
    spec = ConfigSpec(before)
    for draw in range(3):
        after = before.clone()
        for pass_ in Pipeline().scheduled(spec.random(Random(draw)), before, to_tl=False):
            pass_.apply(context(), after)
        assert str(parse(str(after))) == str(after)


def test_every_op_has_a_location_after_all_passes():
    for name in ARGUMENTS:
        before = config_free(name)
        spec = ConfigSpec(before)
        config = spec.random(Random(1))
        after = before.clone()
        for pass_ in Pipeline().scheduled(config, before, to_tl=False):
            pass_.apply(context(), after)
        lost = [op.name for op in after.walk() if type(op.location).__name__ == "UnknownLoc"]
        had = [op.name for op in kernel(name).walk() if type(op.location).__name__ == "UnknownLoc"]
        assert not lost or had, f"{name}: {lost}"
