"""Configs of equal structure share a lowered module, and print what lowering each alone would."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from random import Random

import pytest
from helion_ir.backends.triton import emit
from xdsl.dialects.builtin import DictionaryAttr, IntAttr, ModuleOp, StringAttr

from helion_ir.config import Config
from helion_ir.pipeline import ConfigSpec, config_free_passes, scheduled_passes
from helion_ir.runtime.stages import Stages, ir_text
from helion_ir.runtime.structure import Lowered, Structure, StructureKeys, only_kernel
from helion_ir.settings import Settings

from .ir_text import kernel

KERNELS = ("add", "attention", "embedding", "layer_norm", "matmul", "softmax")
HOST = "def run(*args):\n    __launch__()\n"


class Prepared:
    """A kernel after the config-free passes, lowered as `BoundKernel` does and also from scratch."""

    def __init__(self, name: str) -> None:
        self.module = kernel(name)
        only_kernel(self.module).host = StringAttr(HOST)
        self.stages = Stages(name, Settings())
        self.stages.run(config_free_passes(), self.module)
        self.spec, self.keys = ConfigSpec(self.module), StructureKeys(self.module)
        self.structures: dict[Hashable, Structure] = {}

    def alone(self, config: Config) -> ModuleOp:
        module = self.module.clone()
        self.stages.run(scheduled_passes(config, module), module)
        return module

    def shared(self, config: Config) -> Lowered:
        key, sizes = self.keys.key(config), self.keys.sizes(config)
        if key not in self.structures:
            self.structures[key] = Structure.of(self.alone(config), tuple(sizes))
        return Lowered.of(self.structures[key], config, sizes)


def variants(prepared: Prepared, count: int) -> Iterator[Config]:
    """Random configs, each followed by some that change what a structure may leave open."""
    rng = Random(0)
    for _ in range(count):
        config = prepared.spec.random(rng)
        yield config
        sizes = list(config.get("block_sizes", ()))  # type: ignore[call-overload]
        larger = [min(size * 2, 256) for size in sizes]
        for changed in ({"num_warps": 8}, {"num_stages": 3, "maxnreg": 128}, {"block_sizes": larger}):
            if "block_sizes" in changed and not sizes:
                continue
            yield prepared.spec.normalize({**config, **changed})


@pytest.mark.parametrize("name", KERNELS)
def test_a_shared_structure_gives_what_lowering_alone_gives(name: str) -> None:
    prepared = Prepared(name)
    lowered = 0
    for config in variants(prepared, 6):
        shared, alone = prepared.shared(config), prepared.alone(config)
        assert ir_text(shared.module()) == ir_text(alone), config
        assert shared.source == emit(alone), config
        lowered += 1
    assert len(prepared.structures) < lowered


def test_warps_stages_and_blocks_that_keep_divisibility_share() -> None:
    prepared = Prepared("add")  # 37 x 53: no block above 1 divides
    base = prepared.spec.normalize({"block_sizes": [64, 64]})
    for same in ({"num_warps": 8}, {"num_stages": 4}, {"block_sizes": [32, 128]}):
        assert prepared.keys.key(base) == prepared.keys.key(prepared.spec.normalize({**base, **same})), same
    for other in ({"maxnreg": 64}, {"block_sizes": [64, 1]}, {"block_sizes": [64, 16]}, {"pid_type": "xyz"}):
        assert prepared.keys.key(base) != prepared.keys.key(prepared.spec.normalize({**base, **other})), other


def test_printing_for_another_config_leaves_the_module_as_it_was() -> None:
    prepared = Prepared("matmul")
    config = prepared.spec.default_config()
    module = prepared.alone(config)
    before = ir_text(module)
    other = (DictionaryAttr({}), DictionaryAttr({"num_warps": IntAttr(8)}))
    Structure.of(module, ("b0", "b1", "b2")).text.source(*other)
    assert ir_text(module) == before
