"""What folding makes of numbers is what the interpreter computes; constants are found through the ops that it folds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from helion_ir.dialects.value import CASTS, PREDICATES, BitcastOp, CompareOp, SelectOp, cast_op
from helion_ir.passes.analysis.bounds import constant_value
from helion_ir.passes.analysis.folding import folded
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, IntegerType, f32, i1, i8, i16, i32
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.test_value import create_ssa_value

from helion_ir.interpreter.elementwise import CAST, COMPARE, INTEGER
from helion_ir.interpreter.state import DTYPES

NUMBERS = {i1: (0, 1), i8: (-128, -127, -7, -1, 0, 1, 2, 7, 127), i16: (-300, -1, 0, 300), f32: (-2.0, 0.0, 0.5, 3.0)}
ARITHMETIC = (
    arith.AddiOp, arith.SubiOp, arith.MuliOp, arith.DivSIOp, arith.RemSIOp, arith.FloorDivSIOp, arith.CeilDivSIOp,
    arith.MaxSIOp, arith.MinSIOp, arith.AndIOp, arith.OrIOp, arith.XOrIOp,
)  # fmt: skip
BITWISE = (arith.AndIOp, arith.OrIOp, arith.XOrIOp)


def agrees(op: Operation, function: Callable[..., Any], numbers: tuple[float, ...]) -> bool:
    """Whether what is folded is what the function computes; both may be unknown where it is not defined."""
    result = folded(op, numbers)
    if result is None:
        return True
    operands = [torch.tensor(n, dtype=DTYPES[v.type]) for n, v in zip(numbers, op.operands, strict=True)]
    return function(*operands).item() == result


@pytest.mark.parametrize("cls", ARITHMETIC, ids=lambda cls: cls.name)
@pytest.mark.parametrize("element", [i8, i1], ids=str)
def test_integers(cls: Any, element: IntegerType) -> None:
    if element == i1 and cls not in BITWISE:
        return
    op = cls(create_ssa_value(element), create_ssa_value(element))
    pairs = list(product(NUMBERS[element], repeat=2))
    assert all(agrees(op, INTEGER[cls], pair) for pair in pairs)
    unknown = [pair for pair in pairs if folded(op, pair) is None]
    assert all(pair[1] == 0 for pair in unknown)  # a division by zero
    assert len(unknown) < len(pairs)


@pytest.mark.parametrize("predicate", PREDICATES)
@pytest.mark.parametrize("element", [i8, i1, f32], ids=str)
def test_comparisons(predicate: str, element: Attribute) -> None:
    if element == f32 and predicate.startswith("u"):
        return
    op = CompareOp(predicate, create_ssa_value(element), create_ssa_value(element))
    for pair in product(NUMBERS[element], repeat=2):
        assert folded(op, pair) is not None
        assert agrees(op, COMPARE[predicate], pair)


@pytest.mark.parametrize("kind", CASTS)
@pytest.mark.parametrize("source", [i1, i8, i16, f32], ids=str)
def test_casts(kind: str, source: Attribute) -> None:
    if isinstance(source, IntegerType) == kind.startswith("fp"):
        return
    for target in (f32,) if kind.endswith("fp") else (i1, i8, i16):
        narrows = isinstance(source, IntegerType) and target.bitwidth <= source.bitwidth
        if kind[:3] in ("ext", "tru") and (narrows != (kind == "trunci") or target == source):
            continue
        op = cast_op(create_ssa_value(source), kind, target)
        function = partial(CAST[CASTS[kind]], dtype=DTYPES[target])
        assert all(agrees(op, function, (number,)) for number in NUMBERS[source])


def test_choices_and_bits() -> None:
    condition, one, other = (create_ssa_value(type_) for type_ in (i1, i32, i32))
    for op in (SelectOp(condition, one, other), arith.SelectOp(condition, one, other)):
        assert [folded(op, (c, 5, 7)) for c in (1, 0)] == [5, 7]
    assert folded(BitcastOp(create_ssa_value(f32), i32), (-0.0,)) is None


def scalar(number: int, type_: IntegerType = i32) -> SSAValue:
    return arith.ConstantOp(IntegerAttr(number, type_)).result


def test_constants_are_found_through_what_is_folded() -> None:
    less = arith.CmpiOp(scalar(1, i1), scalar(0, i1), "slt").result  # true is -1
    chosen = arith.SelectOp(less, scalar(9), arith.FloorDivSIOp(scalar(-7), scalar(2)).result).result
    assert constant_value(less) == 1
    assert constant_value(chosen) == 9
    assert constant_value(arith.DivSIOp(chosen, scalar(0)).result) is None
    assert constant_value(arith.AddiOp(chosen, create_ssa_value(i32)).result) is None
    assert constant_value(arith.TruncIOp(scalar(200), i8).result) == -56
