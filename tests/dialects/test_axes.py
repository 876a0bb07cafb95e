"""What ops declare of their axes is all that passes know of them: ops of a dialect that no pass has heard of."""

from __future__ import annotations

import math
from typing import ClassVar

import pytest
from helion_ir.dialects.axes import axis_facts, semantics_of
from helion_ir.dialects.axis_kinds import AlongAxis, LaneWise
from helion_ir.dialects.constants import constant_of
from helion_ir.dialects.dims import dims_of, tensor_type
from helion_ir.dialects.effects import OperandEffect
from helion_ir.dialects.inline_triton import InlineTriton
from helion_ir.dialects.symm_mem import SymmMem
from helion_ir.dialects.tile import LoadOp, RefType, Tile, TileType
from helion_ir.dialects.value import Value, ValueConstr
from helion_ir.dialects.verify import verify_module
from helion_ir.passes.drop_unit_dims import DropUnitDimsPass
from helion_ir.passes.number_sites import NumberSitesPass
from helion_ir.passes.resolve_padding import ResolvePaddingPass
from helion_ir.passes.roll_reductions import RollReductionsPass
from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects import math as math_dialect
from xdsl.dialects.builtin import Builtin, IntAttr, ModuleOp, f32
from xdsl.ir import Dialect, Operation
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import Parser
from xdsl.passes import ModulePass
from xdsl.traits import MemoryEffectKind, Pure
from xdsl.utils.exceptions import PassFailedException, VerifyException
from xdsl.utils.test_value import create_ssa_value

from ..support import ir_text


class _Unary(IRDLOperation):
    T: ClassVar = VarConstraint("T", ValueConstr)

    input = operand_def(T)
    result = result_def(T)
    assembly_format = "$input attr-dict `:` type($input)"


@irdl_op_definition
class DoubleOp(_Unary):
    name = "plug.double"
    traits = traits_def(Pure(), LaneWise())


@irdl_op_definition
class CountingOp(IRDLOperation):
    """Lane by lane, but it must run once: it counts in other memory."""

    name = "plug.counting"

    T: ClassVar = VarConstraint("T", ValueConstr)

    input = operand_def(T)
    counter = operand_def(RefType)
    result = result_def(T)
    traits = traits_def(OperandEffect((MemoryEffectKind.WRITE,), 1), LaneWise())
    assembly_format = "$input `,` $counter attr-dict `:` type($input) `,` type($counter)"


@irdl_op_definition
class SilentOp(_Unary):
    name = "plug.silent"
    traits = traits_def(Pure())


@irdl_op_definition
class SortOp(IRDLOperation):
    """Ascending: lanes past the end must be the largest."""

    name = "plug.sort"

    T: ClassVar = VarConstraint("T", ValueConstr)

    axis = prop_def(IntAttr)
    input = operand_def(T)
    tile = operand_def(TileType)
    result = result_def(T)
    traits = traits_def(Pure(), AlongAxis(keeps=True, fill=lambda op: math.inf))
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input `over` $tile attr-dict `:` type($input) `,` type($tile)"


@irdl_op_definition
class MedianOp(IRDLOperation):
    """Consumes an axis, and cannot do that chunk by chunk."""

    name = "plug.median"

    axis = prop_def(IntAttr)
    input = operand_def(ValueConstr)
    tile = operand_def(TileType)
    result = result_def(ValueConstr)
    traits = traits_def(Pure(), AlongAxis(keeps=False))
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input `over` $tile attr-dict `:` type($input) `,` type($tile) `->` type($result)"


Plug = Dialect("plug", [DoubleOp, CountingOp, SilentOp, SortOp, MedianOp])
ROW = "tensor<?x30xf32, #tile.dims<b0, 30>>"
REF = "!tile.ref<[64], [1], f32, align 16>"
SQUARE = "tensor<?x?xf32, #tile.dims<b0, b0>>"
ONE = "tensor<?xf32, #tile.dims<b0>>"


def kernel(body: str, block: int = 4) -> ModuleOp:
    """Rows of 30 as `%v`; the body makes `%s`, one number a row."""
    text = f"""
tile.kernel @k attributes {{arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {{}},
  blocks = {{b0 = #tile.block<{block}, {block}>}}, host = "", index_type = i32}} {{
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {{
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> {ROW}
    {body}
    tile.store %s, %out[%i] : {ONE}, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }}
}}"""
    module = Parser(context(), text).parse_module()
    verify_module(module)
    return module


def context() -> Context:
    made = Context()
    for dialect in (Builtin, arith.Arith, math_dialect.Math, scf.Scf, Tile, Plug):
        made.load_dialect(dialect)
    return made


def run(module: ModuleOp, *passes: ModulePass) -> ModuleOp:
    for pass_ in passes:
        pass_.apply(context(), module)
        verify_module(module)
    return module


def names(module: ModuleOp) -> list[str]:
    return [op.name for op in module.walk()]


def the(module: ModuleOp, name: str) -> Operation:
    (op,) = [op for op in module.walk() if op.name == name]
    return op


SUM = f'%s = tile.reduce "sum" %t over %all {{axis = #builtin.int<1>}} : {ROW}, !tile.tile<30> -> {ONE}'
ALONG = f"over %all {{axis = #builtin.int<1>}} : {ROW}, !tile.tile<30>"
ROLL = (NumberSitesPass(), RollReductionsPass(reduction_loops=(16,)))


def test_lane_wise_is_rolled_and_loses_axes() -> None:
    body = f"%t = plug.double %v : {ROW}\n{SUM}"
    rolled = run(kernel(body), *ROLL)
    loop = the(rolled, "tile.for")
    assert "plug.double" in [op.name for op in loop.walk()]
    assert dims_of(the(rolled, "plug.double").results[0]) == ("b0", "r0")
    dropped = run(kernel(body, block=1), DropUnitDimsPass())
    assert dims_of(the(dropped, "plug.double").results[0]) == (30,)
    assert "value.reshape" not in names(dropped)


@pytest.mark.parametrize(
    "op",
    [f"plug.silent %v : {ROW}", f"plug.counting %v, %out : {ROW}, {REF}", f"plug.sort %v {ALONG}"],
    ids=lambda op: op.split()[0],
)
def test_what_is_not_rolled(op: str) -> None:
    """An op that says nothing, one with effects, one that needs its axis as a whole."""
    with pytest.raises(PassFailedException, match="1 reduction_loops for 0 dims"):
        run(kernel(f"%t = {op}\n{SUM}"), *ROLL)


def test_consumed_as_a_whole() -> None:
    """Beside a sum of the same values, which alone could be rolled."""
    body = f"""%q = plug.median %v {ALONG} -> {ONE}
    %r = tile.reduce "sum" %v {ALONG} -> {ONE}
    %s = arith.addf %q, %r : {ONE}"""
    with pytest.raises(PassFailedException, match="1 reduction_loops for 0 dims"):
        run(kernel(body), *ROLL)
    dropped = the(run(kernel(body, block=1), DropUnitDimsPass()), "plug.median")
    assert dims_of(dropped.operands[0]) == (30,)
    assert dropped.properties["axis"] == IntAttr(0)
    assert dims_of(dropped.results[0]) == ()


def test_nothing_said_sees_what_it_saw() -> None:
    dropped = run(kernel(f"%t = plug.silent %v : {ROW}\n{SUM}", block=1), DropUnitDimsPass())
    assert dims_of(the(dropped, "plug.silent").operands[0]) == ("b0", 30)
    assert names(dropped).count("value.reshape") == 2


def test_a_sort_declares_its_fill() -> None:
    """resolve-padding knows no sort; what it must not see is put into the load behind it."""
    resolved = run(kernel(f"%t = plug.sort %v {ALONG}\n{SUM}"), ResolvePaddingPass())
    load = the(resolved, "tile.load")
    assert isinstance(load, LoadOp)
    assert load.other is not None
    assert constant_of(load.other) == math.inf
    pad = the(resolved, "tile.pad")  # and the sum of what is sorted must not see infinities
    assert pad.operands[0].owner.name == "plug.sort"


def test_one_lane_is_sorted() -> None:
    body = f"""%one = tile.range %c0 to %m : i32 -> !tile.tile<b0>
    %w = tile.load %x[%i, %one]
      : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b0>] -> {SQUARE}
    %u = plug.sort %w over %one {{axis = #builtin.int<1>}} : {SQUARE}, !tile.tile<b0>
    %s = tile.reduce "sum" %u over %one {{axis = #builtin.int<1>}}
      : {SQUARE}, !tile.tile<b0> -> {ONE}"""
    assert "plug.sort" not in names(run(kernel(body, block=1), DropUnitDimsPass()))


def test_a_lane_wise_op_has_equal_dims() -> None:
    @irdl_op_definition
    class LopsidedOp(IRDLOperation):
        name = "plug.lopsided"
        input = operand_def(ValueConstr)
        result = result_def(ValueConstr)
        traits = traits_def(Pure(), LaneWise())

    value = create_ssa_value(tensor_type(f32, 4))
    with pytest.raises(VerifyException, match="lane-wise"):
        LopsidedOp(operands=[value], result_types=[tensor_type(f32, 8)]).verify()


def test_every_op_of_tensors_declares() -> None:
    """Control flow included; texts, prints and meetings of ranks are opaque on purpose, scalars have no axes."""
    silent = {op.name for op in (*Tile.operations, *Value.operations) if semantics_of(op) is None}
    tiles = "whole range shift begin end id count symbol yield barrier address_space"
    assert silent == {*(f"tile.{name}" for name in tiles.split()), "value.combined", "value.print"}
    assert all(semantics_of(op) is None for op in (*InlineTriton.operations, *SymmMem.operations))


def test_facts_are_about_axes_that_exist() -> None:
    for name in ("attention", "softmax", "embedding", "rows_argmax", "rows_rank3", "branch", "matmul"):
        for op in ir_text.kernel(name).walk():
            facts = axis_facts(op)
            named = [*facts.lanes, facts.whole, *(axes for _, axes in facts.tiles)]
            for axes in named:
                assert all(at.axis < len(dims_of(op.operands[at.number])) for at in axes.operands)
                assert all(at.axis < len(dims_of(op.results[at.number])) for at in axes.results)
            for number, axes in facts.tiles:
                tile = op.operands[number].type
                assert isinstance(tile, TileType)
                assert {dims_of(op.operands[at.number])[at.axis] for at in axes.operands} <= {tile.dim}
            for lanes in facts.lanes:
                dims = {dims_of(op.operands[at.number])[at.axis] for at in lanes.operands}
                assert len(dims | {dims_of(op.results[at.number])[at.axis] for at in lanes.results}) == 1
