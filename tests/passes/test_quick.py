"""The shortcuts that make compiling quick do what the slow ways do."""

from __future__ import annotations

from random import Random

import pytest
import torch
from helion_ir.dialects import tile, tl
from helion_ir.dialects.dims import tensor_type
from helion_ir.dialects.effects import has_no_effects, ref_effects
from helion_ir.dialects.quick import PARTS, assemble, build, copy_module, ops_in, plain, recipe_of
from helion_ir.dialects.value import ExpandDimsOp, cast_op
from helion_ir.dialects.verify import verify_module
from helion_ir.passes.construction import compare_op, descriptor_op, load_op, reduce_op, store_op
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, StringAttr, f32, i1, i32, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import IRDLOperation
from xdsl.irdl.operations import get_accessors_from_op_def
from xdsl.traits import get_effects, is_side_effect_free
from xdsl.utils.test_value import create_ssa_value

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.runtime.stages import ir_text

from ..support.ir_text import KERNELS, kernel


@helion.kernel()
def rows(x: torch.Tensor, y: torch.Tensor, scale: float) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=torch.float32, device=x.device)
    for tile_m in hl.tile(x.size(0)):
        best = hl.full([tile_m], float("-inf"), dtype=torch.float32)
        for tile_n in hl.tile(y.size(1)):
            acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
            for tile_k in hl.tile(x.size(1)):
                acc = torch.addmm(acc, x[tile_m, tile_k], y[tile_k, tile_n])
            best = torch.maximum(best, (acc * scale).amax(-1))
        out[tile_m] = best
    return out


@pytest.mark.parametrize("part", [*PARTS, "all"])
def test_texts_without_a_part(part: str) -> None:
    """One door, one switch: the IR and the source of a kernel are the same both ways, under several configs."""

    def texts() -> list[str]:
        args = torch.empty(50, 70, dtype=torch.float16), torch.empty(70, 90, dtype=torch.float16), 0.5
        rows.reset()
        bound, rng = rows.bind(args), Random(0)
        configs = [bound.config_spec.default_config(), *(bound.config_spec.random(rng) for _ in range(4))]
        compiled = [helion.compile(rows, config, args) for config in configs]
        return [text for each in compiled for text in (each.ir(), each.ir("tl"), each.source)]

    expected = texts()
    with plain(*(PARTS if part == "all" else (part,))):
        assert texts() == expected


NAMES = sorted(path.stem for path in KERNELS.glob("*.mlir"))


@pytest.mark.parametrize("name", NAMES)
def test_walk_copy_and_effects(name: str) -> None:
    module = kernel(name)
    assert ops_in(module) == list(module.walk())
    assert ops_in(module.body.block) == list(module.body.block.walk())
    assert all(has_no_effects(op) == is_side_effect_free(op) for op in module.walk())
    for op in module.walk():
        if (effects := ref_effects(op)) is not None:
            assert set(effects) == {(effect.kind, effect.value) for effect in get_effects(op) or ()}
    text = ir_text(module)
    copy = copy_module(module)
    verify_module(copy)
    assert ir_text(copy) == text
    assert not {*module.walk()} & {*copy.walk()}
    for op in list(copy.walk()):
        op.attributes.clear()
        op.properties.clear()
    assert ir_text(module) == text


@pytest.mark.parametrize("name", NAMES)
def test_quick_accessors_give_what_xdsls_give(name: str) -> None:
    compared = 0
    for op in kernel(name).walk():
        if not isinstance(op, IRDLOperation) or op.dialect_name() != "tile":
            continue
        definition = op.get_irdl_definition()
        accessors = get_accessors_from_op_def(definition, None)
        for field, _ in (*definition.operands, *definition.results, *definition.regions):
            assert isinstance(vars(type(op))[field], property)
            assert getattr(op, field) == accessors[field].__get__(op, type(op)), f"{op.name}.{field}"
            compared += 1
    assert compared > 10


def values(*types: Attribute) -> list[SSAValue]:
    return [create_ssa_value(type_) for type_ in types]


WIDE, MASK, FLOAT, POINTER = tensor_type(i32, 64), tensor_type(i1, 64), tensor_type(f32, 64), tl.PtrType(f32)
CASES = {
    "expand": (ExpandDimsOp, (WIDE,), (1,)),
    "compare": (compare_op, (WIDE, WIDE), ("lt",)),
    "cast": (cast_op, (WIDE,), ("extsi", i64)),
    "reduce": (reduce_op, (FLOAT,), ("max", 0, True)),
    "load": (load_op, (POINTER, WIDE, None, None), (None, None)),
    "masked load": (load_op, (POINTER, WIDE, MASK, f32), (StringAttr("evict_first"), None)),
    "store": (store_op, (POINTER, WIDE, None, FLOAT), (None,)),
    "masked store": (store_op, (POINTER, WIDE, MASK, FLOAT), (StringAttr(".cg"),)),
    "descriptor": (descriptor_op, (POINTER, i32, i32, i32, i32), ((32, 64),)),
    "begin": (tile.BeginOp, (tile.TileType("b0"),), (i64,)),
}


@pytest.mark.parametrize("name", CASES)
def test_an_op_from_a_model_is_what_the_constructor_makes(name: str) -> None:
    make, types, rest = CASES[name]
    for _ in range(2):  # the first one makes the model
        operands = [None if type_ is None else create_ssa_value(type_) for type_ in types]
        op, expected = build(make, operands, rest), make(*operands, *rest)
        op.verify()
        assert type(op) is type(expected)
        assert op.properties == expected.properties
        assert list(op.operands) == list(expected.operands)
        assert op.result_types == expected.result_types


def test_models_of_different_operand_types_are_apart() -> None:
    narrow, wide = (build(ExpandDimsOp, values(type_), (0,)) for type_ in (WIDE, tensor_type(i32, 128)))
    assert narrow.result.type == tensor_type(i32, 1, 64)
    assert wide.result.type == tensor_type(i32, 1, 128)


def test_ops_of_one_model_share_no_dictionary() -> None:
    first, second = (build(ExpandDimsOp, values(WIDE), (0,)) for _ in range(2))
    first.properties.clear()
    assert second.axis.data == 0


def test_equal_recipes_are_one_object() -> None:
    one, other = (recipe_of(arith.ConstantOp, [i32], {"value": IntegerAttr(number, i32)}) for number in (1, 2))
    assert recipe_of(arith.ConstantOp, [i32], {"value": IntegerAttr(1, i32)}) is one
    assert other is not one


def test_an_assembled_op_has_every_field_that_xdsls_constructor_sets() -> None:
    a, b = values(i32, i32)
    model = arith.AddiOp(a, b)
    created = arith.AddiOp.create(operands=[a, b], result_types=[i32], properties=model.properties)
    assembled = assemble(arith.AddiOp, [a, b], [i32], model.properties)
    assert vars(assembled).keys() == vars(created).keys()
    assert assembled.is_structurally_equivalent(created)
    assert assembled.location == created.location
    assert [(use.operation, use.index) for use in a.uses] == [(op, 0) for op in (assembled, created, model)]
    assembled.operands[0] = b
    assert len(list(a.uses)) == 2
    assembled.erase()
    assert {use.operation for use in b.uses} == {created, model}
