"""The differential check itself: it accepts what is equal, and finds a wrong op and a leak of padding."""

from __future__ import annotations

import pytest
import torch
from helion_ir.dialects import tile
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

from ..support.differential import Argument, check_pass_agrees
from ..support.ir_text import kernel


def find(module: ModuleOp, kind: type) -> list:
    """The ops of a class, in program order."""
    return [op for op in module.walk() if isinstance(op, kind)]


def softmax_args() -> list[Argument]:
    x = torch.randn(37, 53, generator=torch.Generator().manual_seed(1)).half()
    return [x, torch.zeros(37, 53, dtype=torch.float16)]


def matmul_args() -> list[Argument]:
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(sizes, generator=generator).bfloat16() for sizes in [(21, 41), (41, 19)])
    return [x, y, torch.zeros(21, 19)]


def test_equal_modules_agree_and_the_results_come_back():
    x, out = check_pass_agrees(kernel("softmax"), kernel("softmax"), softmax_args)
    assert isinstance(x, torch.Tensor)
    torch.testing.assert_close(out, x.double().softmax(1).half(), atol=1e-3, rtol=1e-3)


def test_block_sizes_reach_both():
    check_pass_agrees(
        kernel("matmul"), kernel("matmul"), matmul_args, 1e-5, block_sizes={"b0": 8, "b1": 64, "b2": 4}
    )  # fmt: skip


def test_a_wrong_op_is_found():
    after = kernel("softmax")
    (op,) = find(after, arith.DivfOp)
    wrong = arith.MulfOp(op.lhs, op.rhs)
    op.parent_block().insert_op_before(wrong, op)
    op.result.replace_all_uses_with(wrong.result)
    with pytest.raises(AssertionError, match="after: argument 1 differs"):
        check_pass_agrees(kernel("softmax"), after, softmax_args)


def test_a_leak_of_padding_is_found():
    after = kernel("matmul")
    (dot,) = find(after, tile.DotOp)
    begin, size = tile.BeginOp(dot.tile), tile.SymbolOp("b2")
    end = arith.AddiOp(begin.result, size.result)
    every = tile.RangeOp(begin.result, end.result, "b2")
    dot.parent_block().insert_ops_before([begin, size, end, every], dot)
    dot.operands[3] = every.result
    with pytest.raises(AssertionError, match="after: argument 2 differs"):
        check_pass_agrees(kernel("matmul"), after, matmul_args, 1e-5)
    with pytest.raises(AssertionError, match="before, with other poison: argument 2 differs"):
        check_pass_agrees(after, kernel("matmul"), matmul_args, 1e-5)


def test_invalid_modules_are_refused():
    after = kernel("softmax")
    (op,) = find(after, arith.DivfOp)
    op.detach()
    (load,) = find(after, tile.LoadOp)
    load.parent_block().insert_op_before(op, load)
    with pytest.raises(VerifyException, match="is used before its definition"):
        check_pass_agrees(kernel("softmax"), after, softmax_args)
