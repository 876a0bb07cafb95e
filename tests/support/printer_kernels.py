"""Hand-written tl modules that the printer's tests print, run and compile."""

from __future__ import annotations

from helion_ir.backends.triton import emit
from helion_ir.backends.triton.passes.prepare_for_print import PrepareForPrintPass
from helion_ir.dialects.inline_triton import InlineTriton
from helion_ir.dialects.tile import Tile
from helion_ir.dialects.tl import Tl
from helion_ir.dialects.value import Value
from xdsl.context import Context
from xdsl.dialects import arith, builtin, math, scf
from xdsl.parser import Parser

ADD = """
!v = tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>
!i = tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
!m = tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>>
tl.func @add attributes {arg_names = ["x", "y", "out", "n"], arg_exprs = ["x", "y", "out", "n"],
    constexprs = {_BLOCK_SIZE_0 = #builtin.int<64>},
    options = {num_warps = #builtin.int<4>, num_stages = #builtin.int<2>},
    host = "def add(x, y):\\n    out, n = torch.empty_like(x), x.numel()\\n    __launch__()\\n    return out\\n"} {
^bb0(%x: !tl.ptr<f32>, %y: !tl.ptr<f32>, %out: !tl.ptr<f32>, %n: i32):
  %pid = tl.program_id #builtin.int<0>
  %block = tl.constexpr "_BLOCK_SIZE_0" : i32
  %begin = arith.muli %pid, %block : i32
  %lanes = tl.arange : !i
  %1 = value.splat %begin : i32 -> !i
  %pos = arith.addi %1, %lanes : !i
  %ns = value.splat %n : i32 -> !i
  %mask = value.compare "lt", %pos, %ns : !i -> !m
  %zero = arith.constant 0.0 : f32
  %xv = tl.load %x[%pos] mask %mask : !m other %zero : f32 : !tl.ptr<f32>[!i] -> !v
  %yv = tl.load %y[%pos] mask %mask : !m other %zero : f32 : !tl.ptr<f32>[!i] -> !v
  %sum = arith.addf %xv, %yv : !v
  tl.store %sum, %out[%pos] mask %mask : !m : !v, !tl.ptr<f32>[!i]
  tl.return
} grid {
^bb0(%x: !tl.ptr<f32>, %y: !tl.ptr<f32>, %out: !tl.ptr<f32>, %n: i32):
  %block = tl.constexpr "_BLOCK_SIZE_0" : i32
  %count = tl.cdiv %n, %block : i32
  tl.launch_grid %count : i32
}
"""

_MATMUL_HEAD = """
!acc = tensor<?x?xf32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_1>>
!out = tensor<?x?xELT, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_1>>
!a = tensor<?x?xELT, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_2>>
!b = tensor<?x?xELT, #tile.dims<_BLOCK_SIZE_2, _BLOCK_SIZE_1>>
!m = tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
!n = tensor<?xi32, #tile.dims<_BLOCK_SIZE_1>>
!k = tensor<?xi32, #tile.dims<_BLOCK_SIZE_2>>
!bm = tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>>
!bn = tensor<?xi1, #tile.dims<_BLOCK_SIZE_1>>
!bk = tensor<?xi1, #tile.dims<_BLOCK_SIZE_2>>
!m1 = tensor<?x1xi32, #tile.dims<_BLOCK_SIZE_0, 1>>
!n1 = tensor<1x?xi32, #tile.dims<1, _BLOCK_SIZE_1>>
!k0 = tensor<1x?xi32, #tile.dims<1, _BLOCK_SIZE_2>>
!k1 = tensor<?x1xi32, #tile.dims<_BLOCK_SIZE_2, 1>>
!bm1 = tensor<?x1xi1, #tile.dims<_BLOCK_SIZE_0, 1>>
!bn1 = tensor<1x?xi1, #tile.dims<1, _BLOCK_SIZE_1>>
!bk0 = tensor<1x?xi1, #tile.dims<1, _BLOCK_SIZE_2>>
!bk1 = tensor<?x1xi1, #tile.dims<_BLOCK_SIZE_2, 1>>
!mk = tensor<?x?xi32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_2>>
!kn = tensor<?x?xi32, #tile.dims<_BLOCK_SIZE_2, _BLOCK_SIZE_1>>
!mn = tensor<?x?xi32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_1>>
!bmk = tensor<?x?xi1, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_2>>
!bkn = tensor<?x?xi1, #tile.dims<_BLOCK_SIZE_2, _BLOCK_SIZE_1>>
!bmn = tensor<?x?xi1, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_1>>
!xd = !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_2>, ELT>
!yd = !tl.tensordesc<#tile.dims<_BLOCK_SIZE_2, _BLOCK_SIZE_1>, ELT>
!od = !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_1>, ELT>
tl.func @matmul attributes {arg_names = ["x", "y", "out", "m", "n", "k"],
    arg_exprs = ["x", "y", "out", "x.size(0)", "y.size(1)", "x.size(1)"],
    constexprs = {_BLOCK_SIZE_0 = #builtin.int<BM>, _BLOCK_SIZE_1 = #builtin.int<BN>, _BLOCK_SIZE_2 = #builtin.int<BK>},
    options = {num_warps = #builtin.int<4>, num_stages = #builtin.int<3>},
    host = "def matmul(x, y):\\n    out = x.new_empty([x.size(0), y.size(1)])\\n    __launch__()\\n    return out\\n"} {
^bb0(%x: !tl.ptr<ELT>, %y: !tl.ptr<ELT>, %out: !tl.ptr<ELT>, %m: i32, %n: i32, %k: i32):
  %pid = tl.program_id #builtin.int<0>
  %b0 = tl.constexpr "_BLOCK_SIZE_0" : i32
  %b1 = tl.constexpr "_BLOCK_SIZE_1" : i32
  %b2 = tl.constexpr "_BLOCK_SIZE_2" : i32
  %num_n = tl.cdiv %n, %b1 : i32
  %1 = arith.divsi %pid, %num_n : i32
  %2 = arith.remsi %pid, %num_n : i32
  %begin_m = arith.muli %1, %b0 : i32
  %begin_n = arith.muli %2, %b1 : i32
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %zero = arith.constant 0.0 : ELT
  %zero32 = arith.constant 0.0 : f32
  %init = value.splat %zero32 : f32 -> !acc
"""

_MATMUL_TAIL = """
  tl.return
} grid {
^bb0(%x: !tl.ptr<ELT>, %y: !tl.ptr<ELT>, %out: !tl.ptr<ELT>, %m: i32, %n: i32, %k: i32):
  %b0 = tl.constexpr "_BLOCK_SIZE_0" : i32
  %b1 = tl.constexpr "_BLOCK_SIZE_1" : i32
  %1 = tl.cdiv %m, %b0 : i32
  %2 = tl.cdiv %n, %b1 : i32
  %count = arith.muli %1, %2 : i32
  tl.launch_grid %count : i32
}
"""

MATMUL = (
    _MATMUL_HEAD
    + """
  %3 = value.splat %begin_m : i32 -> !m
  %lanes_m = tl.arange : !m
  %pos_m = arith.addi %3, %lanes_m : !m
  %4 = value.splat %begin_n : i32 -> !n
  %lanes_n = tl.arange : !n
  %pos_n = arith.addi %4, %lanes_n : !n
  %5 = value.splat %m : i32 -> !m
  %mask_m = value.compare "lt", %pos_m, %5 : !m -> !bm
  %6 = value.splat %n : i32 -> !n
  %mask_n = value.compare "lt", %pos_n, %6 : !n -> !bn
  %7 = value.expand_dims %pos_m {axis = #builtin.int<1>} : !m -> !m1
  %8 = value.expand_dims %pos_n {axis = #builtin.int<0>} : !n -> !n1
  %9 = value.expand_dims %mask_m {axis = #builtin.int<1>} : !bm -> !bm1
  %10 = value.expand_dims %mask_n {axis = #builtin.int<0>} : !bn -> !bn1
  %acc = scf.for %begin_k = %c0 to %k step %b2 iter_args(%acc = %init) -> (!acc) : i32 {
    %11 = value.splat %begin_k : i32 -> !k
    %lanes_k = tl.arange : !k
    %pos_k = arith.addi %11, %lanes_k : !k
    %12 = value.splat %k : i32 -> !k
    %mask_k = value.compare "lt", %pos_k, %12 : !k -> !bk
    %13 = value.expand_dims %pos_k {axis = #builtin.int<0>} : !k -> !k0
    %14 = value.splat %k : i32 -> !m1
    %15 = arith.muli %7, %14 : !m1
    %16 = value.broadcast %15 : !m1 -> !mk
    %17 = value.broadcast %13 : !k0 -> !mk
    %18 = arith.addi %16, %17 : !mk
    %19 = value.expand_dims %mask_k {axis = #builtin.int<0>} : !bk -> !bk0
    %20 = value.broadcast %9 : !bm1 -> !bmk
    %21 = value.broadcast %19 : !bk0 -> !bmk
    %22 = arith.andi %20, %21 : !bmk
    %a = tl.load %x[%18] mask %22 : !bmk other %zero : ELT : !tl.ptr<ELT>[!mk] -> !a
    %23 = value.expand_dims %pos_k {axis = #builtin.int<1>} : !k -> !k1
    %24 = value.splat %n : i32 -> !k1
    %25 = arith.muli %23, %24 : !k1
    %26 = value.broadcast %25 : !k1 -> !kn
    %27 = value.broadcast %8 : !n1 -> !kn
    %28 = arith.addi %26, %27 : !kn
    %29 = value.expand_dims %mask_k {axis = #builtin.int<1>} : !bk -> !bk1
    %30 = value.broadcast %29 : !bk1 -> !bkn
    %31 = value.broadcast %10 : !bn1 -> !bkn
    %32 = arith.andi %30, %31 : !bkn
    %b = tl.load %y[%28] mask %32 : !bkn other %zero : ELT : !tl.ptr<ELT>[!kn] -> !b
    %next = tl.dot %a, %b, %acc {precision = "ieee"} : !a, !b, !acc
    scf.yield %next : !acc
  } {num_stages = #builtin.int<3>}
  %40 = value.splat %n : i32 -> !m1
  %41 = arith.muli %7, %40 : !m1
  %42 = value.broadcast %41 : !m1 -> !mn
  %43 = value.broadcast %8 : !n1 -> !mn
  %44 = arith.addi %42, %43 : !mn
  %45 = value.broadcast %9 : !bm1 -> !bmn
  %46 = value.broadcast %10 : !bn1 -> !bmn
  %47 = arith.andi %45, %46 : !bmn
  CAST
  tl.store %result, %out[%44] mask %47 : !bmn : !out, !tl.ptr<ELT>[!mn]
"""
    + _MATMUL_TAIL
)

MATMUL_DESCRIPTOR = (
    _MATMUL_HEAD
    + """
  %x_desc = tl.make_tensor_descriptor %x shape(%m, %k : i32, i32) strides(%k, %c1 : i32, i32) : !tl.ptr<ELT> -> !xd
  %y_desc = tl.make_tensor_descriptor %y shape(%k, %n : i32, i32) strides(%n, %c1 : i32, i32) : !tl.ptr<ELT> -> !yd
  %out_desc = tl.make_tensor_descriptor %out shape(%m, %n : i32, i32) strides(%n, %c1 : i32, i32) : !tl.ptr<ELT> -> !od
  %acc = scf.for %begin_k = %c0 to %k step %b2 iter_args(%acc = %init) -> (!acc) : i32 {
    %a = tl.descriptor_load %x_desc[%begin_m, %begin_k] : !xd[i32, i32] -> !a
    %b = tl.descriptor_load %y_desc[%begin_k, %begin_n] : !yd[i32, i32] -> !b
    %next = tl.dot %a, %b, %acc {precision = "ieee"} : !a, !b, !acc
    scf.yield %next : !acc
  }
  CAST
  tl.descriptor_store %result, %out_desc[%begin_m, %begin_n] : !out, !od[i32, i32]
"""
    + _MATMUL_TAIL
)


def matmul(element: str, m: int = 16, n: int = 32, k: int = 16, *, descriptor: bool = False) -> str:
    """The IR of a matmul on `element`s with the given block sizes."""
    cast = "%result = arith.truncf %acc : !acc to !out" if element != "f32" else ""
    text = (MATMUL_DESCRIPTOR if descriptor else MATMUL).replace("CAST", cast).replace("ELT", element)
    if element == "f32":
        text = text.replace("%result", "%acc")
    return text.replace("<BM>", f"<{m}>").replace("<BN>", f"<{n}>").replace("<BK>", f"<{k}>")


def context() -> Context:
    """A context with the dialects of a tl module."""
    ctx = Context()
    for dialect in (builtin.Builtin, arith.Arith, math.Math, scf.Scf, Tl, Tile, Value, InlineTriton):
        ctx.load_dialect(dialect)
    return ctx


def prepared(text: str) -> builtin.ModuleOp:
    """Parse, verify, prepare, verify."""
    ctx = context()
    module = Parser(ctx, text).parse_module()
    module.verify()
    PrepareForPrintPass().apply(ctx, module)
    module.verify()
    return module


def source(text: str) -> str:
    """The Triton source of a tl module given as text."""
    return emit(prepared(text), comments=False)
