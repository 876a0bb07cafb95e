"""Each rule of `verify_module`: IR that xDSL's own verifier accepts and ours names the mistake in."""

from __future__ import annotations

import time

import pytest
from helion_ir.dialects.dims import tensor_type
from helion_ir.dialects.tile import RefType
from helion_ir.dialects.verify import verify_module
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, IntegerType, ModuleOp, Signedness, f32, i32
from xdsl.ir import Operation
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.test_value import create_ssa_value

from ..support.ir_text import KERNELS, kernel, parse

HEAD = """
!ref = !tile.ref<[37], [1], f32, align 16>
!block = tensor<?xf32, #tile.dims<b0>>
!keep = tensor<?x1xf32, #tile.dims<b0, 1>>
!other = tensor<?xf32, #tile.dims<b1>>
!bits = tensor<?xi1, #tile.dims<b0>>
tile.kernel @k attributes {arg_names = ["x"], arg_exprs = ["x"], symbols = {}, blocks = {b0 = #tile.block<1, none>},
  host = "", index_type = i32} {
^bb0(%x: !ref):
  %c0 = arith.constant 0 : i32
  %n = arith.constant 37 : i32
  %zero = arith.constant 0.0 : f32
"""


def body(text: str) -> ModuleOp:
    """A kernel whose grid body is `text`, accepted by xDSL's verifier."""
    module = parse(
        HEAD + "tile.grid (%c0) to (%n) by <b0> : i32 {\n^bb1(%t: !tile.tile<b0>):\n" + text + "\ntile.yield\n}\n}"
    )
    module.verify()
    return module


def rejects(module: ModuleOp, message: str) -> None:
    with pytest.raises(VerifyException, match=message):
        verify_module(module)


@pytest.mark.parametrize("name", sorted(path.stem for path in KERNELS.glob("*.mlir")))
def test_good_kernels_pass(name: str):
    verify_module(kernel(name))


def test_use_before_definition():
    module = body("%a = arith.addf %b, %b : !block\n%b = value.splat %zero : f32 -> !block")
    rejects(module, r"arith.addf.*: %b \(result of value.splat, .*\) is used before its definition")


def test_use_of_itself():
    rejects(body("%a = arith.addf %a, %a : !block"), r"%a .* is used before its definition")


LOOP = """
  tile.for (%c0) to (%n) by <b0> : i32 {
  ^bb2(%k: !tile.tile<b0>):
    %v = tile.load %x[%k] : !ref[!tile.tile<b0>] -> !block
    tile.yield
  }
  %w = tile.load %x[%t] : !ref[!tile.tile<b0>] -> !block
  tile.store %w, %x[%t] : !block, !ref[!tile.tile<b0>]
"""


def find(module: ModuleOp, name: str) -> list[Operation]:
    """The module's ops of a name, in program order."""
    return [op for op in module.walk() if op.name == name]


def test_loop_local_value_outside_its_loop():
    module = body(LOOP)
    local, store = find(module, "tile.load")[0], find(module, "tile.store")[0]
    store.operands[2] = local.results[0]
    module.verify()
    rejects(module, r"tile.store.*: %v \(result of tile.load, .*\) is used outside the tile.for that defines it")


def test_loop_argument_outside_its_loop():
    module = body(LOOP)
    loop, load = find(module, "tile.for")[0], find(module, "tile.load")[1]
    load.operands[1] = loop.regions[0].block.args[0]
    module.verify()
    rejects(module, r"%k \(argument 0, .*\) is used outside the tile.for that defines it")


def test_value_of_one_branch_in_the_other():
    module = body("""
      %c = arith.cmpi slt, %c0, %n : i32
      scf.if %c {
        %a = arith.addi %n, %n : i32
        scf.yield
      } else {
        %b = arith.addi %n, %n : i32
        scf.yield
      }
    """)
    first, second = find(module, "arith.addi")
    second.operands[0] = first.results[0]
    module.verify()
    rejects(module, "arith.addi.*: %a .* is used outside the scf.if that defines it")


def test_reference_into_an_isolated_region():
    module = body("%a = arith.addi %n, %n : i32")
    above = arith.ConstantOp(IntegerAttr(1, i32))
    module.body.block.insert_op_before(above, module.body.block.first_op)
    find(module, "arith.addi")[0].operands[0] = above.result
    rejects(
        module, r"arith.addi.*: a value \(result of arith.constant, i32\) is defined above the isolated tile.kernel"
    )


def test_value_of_another_kernel():
    first = HEAD + "}"
    second = HEAD[HEAD.index("tile.kernel") :].replace("@k", "@l") + "}"
    module = parse(first + second)
    kernels = list(module.ops)
    constants = [[op for op in k.walk() if isinstance(op, arith.ConstantOp)] for k in kernels]
    use = arith.AddiOp(constants[0][0].result, constants[0][1].result)
    kernels[1].regions[0].block.add_op(use)
    rejects(module, r"arith.addi: %c0 .* is used outside the tile.kernel that defines it")


@pytest.mark.parametrize(
    ("text", "op", "instead"),
    [
        ("%a = arith.cmpf olt, %v, %v : !block", "arith.cmpf", "compare"),
        ("%i = tile.index %t : !tile.tile<b0> -> tensor<?xi32, #tile.dims<b0>>\n"
         "%a = arith.cmpi slt, %i, %i : tensor<?xi32, #tile.dims<b0>>", "arith.cmpi", "compare"),
    ],
)  # fmt: skip
def test_scalar_ops_on_tensors(text: str, op: str, instead: str):
    module = body("%v = value.splat %zero : f32 -> !block\n" + text)
    rejects(module, rf"{op}.* is a tensor; use value.{instead} for tensors")


def test_tensor_constant():
    module = body("")
    constant = parse("%c = arith.constant dense<0> : tensor<4xi32>").body.block.first_op
    assert constant is not None
    constant.detach()
    grid = find(module, "tile.grid")[0]
    grid.regions[0].block.insert_op_before(constant, grid.regions[0].block.last_op)
    rejects(module, r"arith.constant.* is a tensor; use value.splat for tensors")


def test_operands_of_different_dims():
    module = body(
        "%v = value.splat %zero : f32 -> !block\n%w = arith.truncf %v : !block to tensor<?xf16, #tile.dims<b1>>"
    )
    rejects(module, r"arith.truncf.* must have the dims \['b0'\] of the other operands")


def test_tensor_of_rank_zero():
    rejects(body("%v = value.splat %zero : f32 -> tensor<f32>"), "must not be a tensor of rank 0")


def test_symbolic_dim_without_a_name():
    rejects(body("%v = value.splat %zero : f32 -> tensor<?xf32>"), "needs its dims as encoding")


def test_shape_that_does_not_fit_its_dims():
    rejects(body("%v = value.splat %zero : f32 -> tensor<8xf32, #tile.dims<4>>"), "does not fit its dims")


def test_unsigned_value():
    module = body("")
    block = find(module, "tile.grid")[0].regions[0].block
    block.insert_arg(tensor_type(IntegerType(8, Signedness.UNSIGNED), "b0"), 1)
    rejects(module, "must have a signless element type")


def test_location_is_named():
    module = body('%a = arith.addf %b, %b : !block loc("user.py":12:4)\n%b = value.splat %zero : f32 -> !block')
    rejects(module, r"arith.addf at user.py:12:4: %b")


def test_a_value_of_another_module():
    value = create_ssa_value(i32)
    module = ModuleOp([arith.AddiOp(value, value)])
    rejects(module, r"arith.addi: a value \(result of test.op, i32\) is not part of the module")


def test_ops_are_verified_too():
    module = body(LOOP)
    find(module, "tile.load")[1].operands[1] = find(module, "arith.constant")[0].results[0]
    rejects(module, "the indices select f32")


def test_cost_is_linear():
    def chain(length: int) -> ModuleOp:
        ops: list[Operation] = [arith.ConstantOp(IntegerAttr(1, i32))]
        for _ in range(length):
            ops.append(arith.AddiOp(ops[-1].results[0], ops[0].results[0]))
        return ModuleOp(ops)

    def seconds(length: int) -> float:
        module = chain(length)
        start = time.perf_counter()
        verify_module(module)
        return time.perf_counter() - start

    seconds(100)
    assert seconds(4000) < 40 * max(min(seconds(400) for _ in range(3)), 1e-3)


def test_an_alignment_is_a_power_of_two() -> None:
    for align in (3, 0, -16):
        with pytest.raises(VerifyException, match="an alignment is a power of two"):
            RefType([8], [1], f32, align)
