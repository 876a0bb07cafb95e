"""Configs of equal structure share a lowered module, and print what lowering each alone would."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import torch
from helion_ir.backends.triton import emit
from helion_ir.dialects.questions import Questions, answer, gcd, parameter
from helion_ir.passes.schedule import SchedulePass
from xdsl.dialects.builtin import DictionaryAttr, IntAttr, ModuleOp, StringAttr
from xdsl.passes import ModulePass

import helion_ir
import helion_ir.language as hl
from helion_ir import backends
from helion_ir.config import Config
from helion_ir.pipeline import Pipeline
from helion_ir.runtime.stages import Stages, ir_text
from helion_ir.runtime.structure import LAUNCH_KEYS, LoweredConfig, Structure, Structures, only_func, only_kernel
from helion_ir.session import Session
from helion_ir.settings import Settings
from helion_ir.space.config_spec import ConfigSpec

from ..support.ir_text import kernel

KERNELS = ("add", "attention", "embedding", "layer_norm", "matmul", "softmax")
HOST = "def run(*args):\n    __launch__()\n"


class Prepared:
    """A kernel after the config-free passes, lowered as `BoundKernel` does and also from scratch."""

    def __init__(self, name: str) -> None:
        self.module = kernel(name)
        only_kernel(self.module).host = StringAttr(HOST)
        self.stages = Stages(name, Settings())
        self.stages.run(Pipeline().config_free(), self.module)
        self.spec, self.structures = ConfigSpec(self.module), Structures(self.module)

    def alone(self, config: Config) -> ModuleOp:
        module = self.module.clone()
        self.stages.run(Pipeline().scheduled(config, module), module)
        return module

    def shared(self, config: Config) -> LoweredConfig:
        sizes = self.structures.sizes(config)
        structure = self.structures.find(config)
        if structure is None:
            module = self.module.clone()
            questions = self.structures.questions(module)
            self.stages.run(Pipeline().scheduled(config, module), module)
            structure = Structure.of(module, tuple(sizes), backends.default())
            self.structures.add(config, questions, structure)
        return LoweredConfig.of(structure, config, sizes)


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
            yield prepared.spec.repair({**config, **changed})


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
    structure = prepared.shared(base).structure
    for same in ({"num_warps": 8}, {"num_stages": 4}, {"block_sizes": [32, 128]}, {"block_sizes": [16, 64]}):
        assert prepared.structures.find(prepared.spec.normalize({**base, **same})) is structure, same
    for other in ({"maxnreg": 64}, {"block_sizes": [64, 1]}, {"pid_type": "xyz"}):
        assert prepared.structures.find(prepared.spec.normalize({**base, **other})) is None, other


def test_printing_for_another_config_leaves_the_module_as_it_was() -> None:
    prepared = Prepared("matmul")
    config = prepared.spec.default_config()
    module = prepared.alone(config)
    before = ir_text(module)
    other = (DictionaryAttr({}), DictionaryAttr({"num_warps": IntAttr(8)}))
    Structure.of(module, ("b0", "b1", "b2"), backends.default()).text.source(*other)
    assert ir_text(module) == before


# -- what a kernel makes of its block sizes --------------------------------------------------------------------------


@helion_ir.kernel(autotune_effort="none")
def halo(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    for t in hl.tile(out.size(0)):
        out[t] = x[t] + x[t.begin : t.begin + t.block_size + 2].sum()
    return out


@helion_ir.kernel(autotune_effort="none")
def shifted(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    for t in hl.tile(out.size(0)):
        out[t] = x[t.index + t.block_size // 3]
    return out


@helion_ir.kernel(autotune_effort="none")
def halves(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    for t in hl.tile(out.size(0)):
        out[t] = x[t] + x[t.begin : t.begin + (t.block_size + 1) // 2].amax()
    return out


@helion_ir.kernel(autotune_effort="none")
def nested(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    for t in hl.tile(out.size(0)):
        total = hl.zeros([t])
        for u in hl.tile(t.begin, t.end + t.block_size, block_size=4):
            total = total + x[u].sum()
        out[t] = total
    return out


@helion_ir.kernel(autotune_effort="none")
def unrolled(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    block = hl.register_block_size(out.size(0))
    for t in hl.tile(out.size(0), block_size=block):
        out[t] = x[t] + block * 2 + (block + 7) // 8
    return out


def _blocks(x: torch.Tensor, size: int, of: Callable[[int, torch.Tensor], torch.Tensor]) -> torch.Tensor:
    return torch.cat([of(start, x[start : start + size]) for start in range(0, 256, size)])


@pytest.mark.parametrize(
    ("kernel_", "of"),
    [
        (halo, lambda x, size: _blocks(x, size, lambda s, part: part + x[s : s + size + 2].sum())),
        (shifted, lambda x, size: x[size // 3 : size // 3 + 256]),
        (halves, lambda x, size: _blocks(x, size, lambda s, part: part + x[s : s + (size + 1) // 2].amax())),
        (nested, lambda x, size: _blocks(x, size, lambda s, part: part * 0 + x[s : s + 2 * size].sum())),
        (unrolled, lambda x, size: x[:256] + size * 2 + (size + 7) // 8),
    ],
)
def test_configs_after_one_another_do_not_influence_each_other(kernel_: Any, of: Any) -> None:
    x = torch.randn(600)
    for size in (32, 64, 16, 2, 8, 4, 128, 1, 256):
        config = {"block_sizes": [size]}
        shared = helion_ir.compile(kernel_, config, (x, torch.empty(256)))
        torch.testing.assert_close(shared(x, torch.empty(256)), of(x, size), atol=1e-4, rtol=1e-4)

        alone = helion_ir.kernel(kernel_.fn, autotune_effort="none")
        assert shared.source == helion_ir.compile(alone, config, (x, torch.empty(256))).source


def test_a_plugins_questions_are_not_known_so_nothing_is_shared_with_it() -> None:
    class Late(ModulePass):
        name = "late-of-a-test"

        def apply(self, ctx: Any, op: ModuleOp) -> None:
            pass

    args = torch.randn(600), torch.empty(256)
    with Session() as session:
        session.register_pass(Late, "tl-late")
        bound = helion_ir.kernel(unrolled.fn, autotune_effort="none").bind(args)
        first, second = (bound.lower({"block_sizes": [size]}).structure for size in (32, 64))
        assert first is not second


def test_only_the_last_pass_reads_what_the_launch_takes() -> None:
    class Watched(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            read.add(key)
            return super().get(key, default)

    prepared = Prepared("matmul")
    for pass_ in Pipeline().schedule():
        read: set[str] = set()
        if issubclass(pass_, SchedulePass):
            pass_.from_config(Watched(prepared.spec.default_config()), prepared.module)
        assert pass_.name == "set-launch-options" or not read.intersection(LAUNCH_KEYS), pass_.name


# -- questions -------------------------------------------------------------------------------------------------------


def asked(value: int) -> tuple[Any, Questions]:
    questions = Questions(frozenset(("b0", "b1")))
    return questions.size("b0", value), questions


@pytest.mark.parametrize(
    ("use", "wanted"),
    [
        (lambda b: b == 1, "b0 == 1"),
        (lambda b: 1024 % b == 0, "(1024 % b0) == 0"),
        (lambda b: b >= 16, "b0 >= 16"),
        (lambda b: max(b, 16) == 16, "b0 < 16"),
        (lambda b: (b + 2) // 3 < 7, "((b0 + 2) // 3) < 7"),
        (lambda b: -b + 1 > -100, "((-b0) + 1) > (-100)"),
        (lambda b: gcd(12, b) == 4, "gcd(12, b0) == 4"),
        (lambda b: math.gcd(12, b), "b0"),
        (lambda b: bool(b - 64), "(b0 - 64) != 0"),
        (lambda b: int(b * 2), "(b0 * 2)"),
        (lambda b: range(b), "b0"),
        (lambda b: [0] * b, "b0"),
        (lambda b: str(b + 1), "(b0 + 1)"),
        (lambda b: f"{b:d}", "b0"),
        (lambda b: operator.mod("%d", b), "b0"),
        (lambda b: {b: 1}, "b0"),
        (lambda b: b.bit_length(), "b0"),
        (lambda b: b**2, "b0"),
        (lambda b: b / 2, "b0"),
        (lambda b: b < 2.5, "b0"),
        (lambda b: IntAttr(b) == IntAttr(64), "b0 == 64"),
        (lambda b: hash(IntAttr(b)), "b0"),
        (lambda b: b is not None and isinstance(b, int) and not isinstance(b, bool), None),
        (lambda b: parameter(b) == 1, None),
        (lambda b: b == b and (b + 1) != (b + 1), None),
        (lambda b: b == "64" or b is None, None),
    ],
)
def test_whatever_is_made_of_a_size_is_a_question(use: Callable[[Any], object], wanted: str | None) -> None:
    for value in (64, 1, 16):
        number, questions = asked(value)
        result, plain = use(number), use(value)
        if wanted is None:
            assert questions.answers == {}
            continue
        assert result == plain
        assert wanted in questions.answers
        assert all(answer(q, {"b0": value, "b1": 2}) == given for q, given in questions.answers.items())


@pytest.mark.parametrize("name", KERNELS)
def test_no_size_stays_in_a_lowered_module(name: str) -> None:
    prepared = Prepared(name)
    func = only_func(prepared.shared(prepared.spec.default_config()).structure.module)
    for op in func.walk():
        for attribute in (*op.properties.values(), *op.attributes.values()):
            assert type(getattr(attribute, "data", 0)).__name__ != "Asked", (op.name, attribute)
