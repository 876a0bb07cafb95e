"""Hand-written tl modules with loops, branches and a while, on rows of any length."""

from __future__ import annotations

_TYPES = """
!v = tensor<64xf32>
!i = tensor<64xi32>
!m = tensor<64xi1>
"""


def row_kernel(name: str, body: str, args: str = "") -> str:
    """A kernel whose `body` maps the row `%x` (length `%n`, `%mask`) to `%y`; one program a row."""
    return f"""{_TYPES}
tl.func @{name} attributes {{arg_names = ["x", "out", "n"], arg_exprs = ["x", "out", "x.size(1)"], constexprs = {{}},
    options = {{num_warps = #builtin.int<4>}},
    host = "def {name}(x):\\n    out = torch.empty_like(x)\\n    __launch__()\\n    return out\\n"}} {{
^bb0(%x_ptr: !tl.ptr<f32>, %out: !tl.ptr<f32>, %n: i32):
  %row = tl.program_id #builtin.int<0>
  %begin = arith.muli %row, %n : i32
  %lanes = tl.arange : !i
  %begins = value.splat %begin : i32 -> !i
  %offset = arith.addi %begins, %lanes : !i
  %ends = value.splat %n : i32 -> !i
  %mask = value.compare "lt", %lanes, %ends : !i -> !m
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c5 = arith.constant 5 : i32
  %zero = arith.constant 0.0 : f32
  %x = tl.load %x_ptr[%offset] mask %mask : !m other %zero : f32 : !tl.ptr<f32>[!i] -> !v
  {body}
  tl.store %y, %out[%offset] mask %mask : !m : !v, !tl.ptr<f32>[!i]
  tl.return
}} grid {{
^bb0(%x: !tl.ptr<f32>, %out: !tl.ptr<f32>, %n: i32):
  %c7 = arith.constant 7 : i32
  tl.launch_grid %c7 : i32
}}
"""


SOFTMAX = row_kernel(
    "softmax",
    """
  %low = arith.constant 0xFF800000 : f32
  %lows = value.splat %low : f32 -> !v
  %1 = value.select %mask, %x, %lows : !m, !v
  %peak = tl.reduce "max" %1 {axis = #builtin.int<0>} : !v -> f32
  %2 = value.splat %peak : f32 -> !v
  %3 = arith.subf %1, %2 : !v
  %e = math.exp %3 : !v
  %total = tl.reduce "sum" %e {axis = #builtin.int<0>} : !v -> f32
  %4 = value.splat %total : f32 -> !v
  %y = arith.divf %e, %4 : !v
""",
)

SWAP = row_kernel(
    "swap",
    """
  %ones = arith.constant 1.0 : f32
  %b0 = value.splat %ones : f32 -> !v
  %a, %y = scf.for %i = %c0 to %c5 step %c1 iter_args(%a = %x, %b = %b0) -> (!v, !v) : i32 {
    %sum = arith.addf %a, %b : !v
    scf.yield %b, %sum : !v, !v
  }
""",
)

BRANCH = row_kernel(
    "branch",
    """
  %c2 = arith.constant 2 : i32
  %odd = arith.remsi %row, %c2 : i32
  %is_odd = arith.cmpi eq, %odd, %c1 : i32
  %y = scf.for %i = %c0 to %c5 step %c1 iter_args(%acc = %x) -> (!v) : i32 {
    %late = arith.cmpi sge, %i, %c2 : i32
    %both = arith.andi %late, %is_odd : i1
    %next = scf.if %both -> (!v) {
      %sum = arith.addf %acc, %x : !v
      scf.yield %sum : !v
    } else {
      scf.yield %acc : !v
    }
    scf.yield %next : !v
  } {num_stages = #builtin.int<1>}
""",
)

WHILE = row_kernel(
    "count",
    """
  %steps, %y = scf.while (%i = %row, %acc = %x) : (i32, !v) -> (i32, !v) {
    %c3 = arith.constant 3 : i32
    %j = arith.addi %i, %c1 : i32
    %half = arith.divsi %j, %c3 : i32
    %more = arith.cmpi slt, %half, %c5 : i32
    scf.condition(%more) %j, %acc : i32, !v
  } do {
  ^bb1(%j: i32, %acc: !v):
    %grown = arith.addf %acc, %x : !v
    scf.yield %j, %grown : i32, !v
  }
""",
)
