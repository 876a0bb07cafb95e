"""The tl interpreter: programs over the launch grid, pointers, masks, descriptors; what it catches."""

from __future__ import annotations

import pytest
import torch
from helion_ir.dialects.verify import verify_module
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import InterpretationError

from helion_ir.interpreter import run_func

from ..support.ir_text import parse

BOTH = pytest.mark.parametrize("seed", [0, 1], ids=["nan", "garbage"])
DIM = "#tile.dims<_BLOCK_SIZE_0>"
INDEX, VALUE, MASK = f"tensor<?xi32, {DIM}>", f"tensor<?xf32, {DIM}>", f"tensor<?xi1, {DIM}>"


def func(args: str, body: str, grid: str, *, names: str, exprs: str | None = None) -> ModuleOp:
    """A kernel with one constexpr, `_BLOCK_SIZE_0` of 16; `grid` ends in `tl.launch_grid`."""
    module = parse(f"""
    tl.func @k attributes {{arg_names = [{names}], arg_exprs = [{exprs or names}], host = "", options = {{}},
      constexprs = {{_BLOCK_SIZE_0 = #builtin.int<16>}}}} {{
    ^bb0({args}):
      {body}
      tl.return
    }} grid {{
    ^bb1({args}):
      {grid}
    }}
    """)
    verify_module(module)
    return module


GRID = """%block = tl.constexpr "_BLOCK_SIZE_0" : i32
%programs = tl.cdiv %n, %block : i32
tl.launch_grid %programs : i32"""

OFFSETS = f"""%pid = tl.program_id #builtin.int<0>
%block = tl.constexpr "_BLOCK_SIZE_0" : i32
%start = arith.muli %pid, %block : i32
%starts = value.splat %start : i32 -> {INDEX}
%lanes = tl.arange : {INDEX}
%at = arith.addi %starts, %lanes : {INDEX}
%bound = value.splat %n : i32 -> {INDEX}
%mask = value.compare "lt", %at, %bound : {INDEX} -> {MASK}
"""
PTR = "!tl.ptr<f32>"
MASKED = f"%x[%at] mask %mask : {MASK}"


def double(load: str, store_mask: str = f" mask %mask : {MASK}") -> ModuleOp:
    """out = 2 * x in blocks."""
    body = f"""{OFFSETS}
    %v = tl.load {load} : {PTR}[{INDEX}] -> {VALUE}
    %d = arith.addf %v, %v : {VALUE}
    tl.store %d, %out[%at]{store_mask} : {VALUE}, {PTR}[{INDEX}]"""
    exprs = '"x", "out", "x.numel()"'
    return func(f"%x: {PTR}, %out: {PTR}, %n: i32", body, GRID, names='"x", "out", "n"', exprs=exprs)


@BOTH
@pytest.mark.parametrize("size", [37, 32, 1])
def test_masked_blocks_over_the_grid(size: int, seed: int):
    x, out = torch.randn(size), torch.zeros(size)
    run_func(double(MASKED), [x, out, size], seed=seed)
    assert torch.equal(out, 2 * x)


def test_sizes_and_grid_come_from_the_host_expressions():
    x, out = torch.randn(37), torch.zeros(37)
    run_func(double(MASKED), [x, out])
    assert torch.equal(out, 2 * x)
    run_func(double(MASKED), [x, out.zero_()], grid=(1,))
    assert torch.equal(out, torch.where(torch.arange(37) < 16, 2 * x, 0))
    run_func(double(MASKED), [x, out.zero_()], {"_BLOCK_SIZE_0": 64}, shuffle=True)
    assert torch.equal(out, 2 * x)


def test_a_load_without_its_mask_is_out_of_bounds():
    with pytest.raises(InterpretationError, match=r"tl\.load.*: offset 37 is out of bounds for size 37"):
        run_func(double("%x[%at]"), [torch.randn(37), torch.zeros(37), 37])


def test_a_store_without_its_mask_is_out_of_bounds():
    with pytest.raises(InterpretationError, match=r"tl\.store.*: offset 37 is out of bounds for size 37"):
        run_func(double(MASKED, ""), [torch.randn(37), torch.zeros(37), 37])


def test_memory_outside_a_view_is_out_of_bounds():
    storage = torch.zeros(100)
    with pytest.raises(InterpretationError, match=r"tl\.load.*: offset 20 is out of bounds for size 20"):
        run_func(double(MASKED), [storage[10:30], torch.zeros(37), 37])


def test_a_dtype_that_differs_is_named():
    with pytest.raises(InterpretationError, match=r"argument x must hold torch\.float32, got torch\.float16"):
        run_func(double(MASKED), [torch.zeros(5).half(), torch.zeros(5), 5])


def test_an_expression_that_cannot_be_evaluated_is_named():
    module = func("%n: i32", "", GRID, names='"n"', exprs='"len(rows)"')
    with pytest.raises(InterpretationError, match=r"cannot evaluate the host expression 'len\(rows\)'"):
        run_func(module, [])


def total(load: str) -> ModuleOp:
    """out[pid] = the sum of a block."""
    body = f"""{OFFSETS}
    %zero = arith.constant 0.0 : f32
    %v = tl.load {load} : {PTR}[{INDEX}] -> {VALUE}
    %s = tl.reduce "sum" %v {{axis = #builtin.int<0>}} : {VALUE} -> f32
    tl.store %s, %out[%pid] : f32, {PTR}[i32]"""
    return func(f"%x: {PTR}, %out: {PTR}, %n: i32", body, GRID, names='"x", "out", "n"')


@BOTH
def test_a_reduction_sees_all_lanes(seed: int):
    x, out = torch.arange(37.0), torch.zeros(3)
    expected = torch.stack([part.sum() for part in x.split(16)])
    run_func(total(MASKED + " other %zero : f32"), [x, out, 37], seed=seed)
    assert torch.equal(out, expected)
    run_func(total(MASKED), [x, out, 37], seed=seed)
    assert not torch.isclose(out[2], expected[2])


def test_programs_of_a_grid_of_three_dims():
    body = """%x = tl.program_id #builtin.int<0>
    %y = tl.program_id #builtin.int<1>
    %z = tl.program_id #builtin.int<2>
    %nx = tl.num_programs #builtin.int<0>
    %ny = tl.num_programs #builtin.int<1>
    %zy = arith.muli %z, %ny : i32
    %zy2 = arith.addi %zy, %y : i32
    %zyx = arith.muli %zy2, %nx : i32
    %at = arith.addi %zyx, %x : i32
    %one = arith.constant 1 : i32
    %old = tl.atomic_rmw "add" "relaxed" %one, %out[%at] : i32, !tl.ptr<i32>[i32] -> i32"""
    grid = "%a = arith.constant 2 : i32\n%b = arith.constant 3 : i32\ntl.launch_grid %a, %b, %n : i32, i32, i32"
    out = torch.zeros(24, dtype=torch.int32)
    run_func(func("%out: !tl.ptr<i32>, %n: i32", body, grid, names='"out", "n"'), [out, 4])
    assert out.tolist() == [1] * 24


def test_offsets_that_overflow_are_caught():
    body = """%big = arith.constant 2147483647 : i32
    %one = arith.constant 1 : i32
    %at = arith.addi %big, %one : i32
    %v = tl.load %x[%at] : !tl.ptr<f32>[i32] -> f32"""
    with pytest.raises(InterpretationError, match="offset -2147483648 is out of bounds"):
        run_func(func(f"%x: {PTR}", body, "%c = arith.constant 1 : i32\ntl.launch_grid %c : i32", names='"x"'),
                 [torch.zeros(5)])  # fmt: skip


def test_pointer_arithmetic_and_scalars():
    body = f"""%c2 = arith.constant 2 : i32
    %c3 = arith.constant 3 : i32
    %p = tl.addptr %x, %c2 : {PTR}, i32
    %v = tl.load %p[%c3] : {PTR}[i32] -> f32
    tl.store %v, %x[%c2] : f32, {PTR}[i32]
    %w = tl.load %p[%c3] : {PTR}[i32] -> f32
    tl.store %w, %p[%c2] : f32, {PTR}[i32]"""
    grid = "%c = arith.constant 1 : i32\ntl.launch_grid %c : i32"
    x = torch.arange(6.0)
    run_func(func(f"%x: {PTR}", body, grid, names='"x"'), [x])
    assert x.tolist() == [0, 1, 5, 3, 5, 5]


BLOCK = "tensor<?x4xf32, #tile.dims<_BLOCK_SIZE_0, 4>>"
DESC = "!tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 4>, f32>"


def descriptors(columns: int) -> ModuleOp:
    """out[:, 0:4] of each block of rows = x[:, 4:8] by descriptors."""
    body = f"""%pid = tl.program_id #builtin.int<0>
    %block = tl.constexpr "_BLOCK_SIZE_0" : i32
    %row = arith.muli %pid, %block : i32
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    %c4 = arith.constant 4 : i32
    %columns = arith.constant {columns} : i32
    %dx = tl.make_tensor_descriptor %x shape(%n, %columns : i32, i32) strides(%columns, %c1 : i32, i32)
      : {PTR} -> {DESC}
    %do = tl.make_tensor_descriptor %out shape(%n, %columns : i32, i32) strides(%columns, %c1 : i32, i32)
      : {PTR} -> {DESC}
    %v = tl.descriptor_load %dx[%row, %c4] : {DESC}[i32, i32] -> {BLOCK}
    %s = tl.reduce "sum" %v {{axis = #builtin.int<0>}} : {BLOCK} -> tensor<4xf32>
    %lanes = tl.arange : tensor<4xi32>
    %old = tl.atomic_rmw "add" "relaxed" %s, %sums[%lanes] : tensor<4xf32>, {PTR}[tensor<4xi32>] -> tensor<4xf32>
    tl.descriptor_store %v, %do[%row, %c0] : {BLOCK}, {DESC}[i32, i32]"""
    return func(f"%x: {PTR}, %out: {PTR}, %sums: {PTR}, %n: i32", body, GRID, names='"x", "out", "sums", "n"')


@BOTH
def test_descriptors_pad_zeros_and_clip(seed: int):
    x, out, sums = torch.randn(21, 8), torch.zeros(21, 8), torch.zeros(4)
    run_func(descriptors(8), [x, out, sums, 21], seed=seed)
    assert torch.equal(out[:, :4], x[:, 4:])
    assert not out[:, 4:].any()
    torch.testing.assert_close(sums, x[:, 4:].sum(0))


def test_a_descriptor_that_the_hardware_refuses():
    x = torch.randn(21, 7)
    with pytest.raises(InterpretationError, match="strides must be multiples of 16 bytes"):
        run_func(descriptors(7), [x, x.clone(), torch.zeros(4), 21])
