"""Single ops of the tile interpreter: what each computes, what padding lanes hold, and which accesses raise."""

from __future__ import annotations

import pytest
import torch
from helion_ir.dialects.verify import verify_module
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import InterpretationError

from helion_ir.interpreter import run_kernel

from ..support.ir_text import kernel, parse

BOTH = pytest.mark.parametrize("seed", [0, 1], ids=["nan", "garbage"])


def ref(dtype: str, *sizes: int) -> str:
    """The type of a contiguous ref."""
    strides = [1]
    for size in reversed(sizes[1:]):
        strides.insert(0, strides[0] * size)
    return f"!tile.ref<{list(sizes)}, {strides[: len(sizes)]}, {dtype}, align 16>"


def over_rows(args: dict[str, str], size: int, body: str) -> ModuleOp:
    """A kernel whose grid walks 0..size in tiles `%t` of b0; `args` maps names to types."""
    names = ", ".join(f'"{name}"' for name in args)
    arguments = ", ".join(f"%{name}: {type_}" for name, type_ in args.items())
    module = parse(f"""
    tile.kernel @k attributes {{arg_names = [{names}], arg_exprs = [{names}], symbols = {{}}, host = "",
      blocks = {{b0 = #tile.block<1, none>}}, index_type = i32}} {{
    ^bb0({arguments}):
      %c0 = arith.constant 0 : i32
      %c1 = arith.constant 1 : i32
      %size = arith.constant {size} : i32
      %zero = arith.constant 0.0 : f32
      tile.grid (%c0) to (%size) by <b0> : i32 {{
      ^bb1(%t: !tile.tile<b0>):
        {body}
        tile.yield
      }}
    }}
    """)
    verify_module(module)
    return module


ROW = "tensor<?xf32, #tile.dims<b0>>"
INDEX = "tensor<?xi32, #tile.dims<b0>>"
T = "!tile.tile<b0>"


def load(name: str, size: int, dtype: str = "f32") -> str:
    return f"%{name}v = tile.load %{name}[%t] : {ref(dtype, size)}[{T}] -> tensor<?x{dtype}, #tile.dims<b0>>\n"


def store(value: str, name: str, size: int, dtype: str = "f32") -> str:
    return f"\ntile.store %{value}, %{name}[%t] : tensor<?x{dtype}, #tile.dims<b0>>, {ref(dtype, size)}[{T}]"


# --- padding ------------------------------------------------------------------------------------------------------


def leaky_sum(claim: str) -> ModuleOp:
    """Sum each tile of a row of 37 over the lanes that `claim` says are valid; one sum a tile."""
    return over_rows(
        {"x": ref("f32", 37), "out": ref("f32", 3)}, 37,
        f"""{load("x", 37)}
        %begin = tile.begin %t : {T} -> i32
        %block = tile.symbol <b0> : i32
        %stop = arith.addi %begin, %block : i32
        %all = tile.range %begin to %stop : i32 -> {T}
        %s = tile.reduce "sum" %xv over {claim} {{axis = #builtin.int<0>}} : {ROW}, {T} -> f32
        %id = tile.id %t : {T} -> i32
        tile.store %s, %out[%id] : f32, {ref("f32", 3)}[i32]""",
    )  # fmt: skip


@BOTH
def test_a_reduction_that_sees_padding_is_caught(seed: int):
    x = torch.arange(37.0)
    expected = torch.stack([part.sum() for part in x.split(16)])
    out = torch.zeros(3)
    run_kernel(leaky_sum("%t"), [x, out], seed=seed)
    assert torch.equal(out, expected)
    run_kernel(leaky_sum("%all"), [x, out], seed=seed)
    assert torch.equal(out[:2], expected[:2])
    assert not torch.isclose(out[2], expected[2])


def test_poison_repeats_for_equal_seeds_and_differs_otherwise():
    sums = []
    for seed in (1, 1, 3):
        out = torch.zeros(3)
        run_kernel(leaky_sum("%all"), [torch.arange(37.0), out], seed=seed)
        sums.append(out[2].item())
    assert sums[0] == sums[1] != sums[2]


def test_integer_padding_is_garbage():
    module = over_rows(
        {"x": ref("i32", 5), "out": ref("i32", 1)}, 5,
        f"""{load("x", 5, "i32")}
        %sixteen = tile.symbol <b0> : i32
        %all = tile.range %c0 to %sixteen : i32 -> {T}
        %s = tile.reduce "max" %xv over %all {{axis = #builtin.int<0>}} : {INDEX}, {T} -> i32
        tile.store %s, %out[%c0] : i32, {ref("i32", 1)}[i32]""",
    )  # fmt: skip
    out = torch.zeros(1, dtype=torch.int32)
    run_kernel(module, [torch.arange(5, dtype=torch.int32), out])
    assert out.item() > 1000


@BOTH
def test_other_and_pad_fill_padding(seed: int):
    module = over_rows(
        {"x": ref("f32", 5), "out": ref("f32", 2)}, 5,
        f"""%seven = arith.constant 7.0 : f32
        %v = tile.load %x[%t] other %seven : f32 : {ref("f32", 5)}[{T}] -> {ROW}
        %w = tile.load %x[%t] : {ref("f32", 5)}[{T}] -> {ROW}
        %p = tile.pad %w, %zero past %t {{axis = #builtin.int<0>}} : {ROW}, f32, {T}
        %block = tile.symbol <b0> : i32
        %all = tile.range %c0 to %block : i32 -> {T}
        %a = tile.reduce "sum" %v over %all {{axis = #builtin.int<0>}} : {ROW}, {T} -> f32
        %b = tile.reduce "sum" %p over %all {{axis = #builtin.int<0>}} : {ROW}, {T} -> f32
        tile.store %a, %out[%c0] : f32, {ref("f32", 2)}[i32]
        tile.store %b, %out[%c1] : f32, {ref("f32", 2)}[i32]""",
    )  # fmt: skip
    out = torch.zeros(2)
    run_kernel(module, [torch.arange(5.0), out], block_sizes={"b0": 8}, seed=seed)
    assert out.tolist() == [10.0 + 3 * 7, 10.0]


@BOTH
def test_a_tile_past_the_ref_reads_other_and_stores_nothing(seed: int):
    module = over_rows(
        {"x": ref("f32", 10), "out": ref("f32", 10)}, 10,
        f"""%three = arith.constant 3 : i32
        %next = tile.shift %t, %three : {T}, i32
        %v = tile.load %x[%next] other %zero : f32 : {ref("f32", 10)}[{T}] -> {ROW}
        tile.store %v, %out[%next] : {ROW}, {ref("f32", 10)}[{T}]""",
    )  # fmt: skip
    x, out = torch.arange(10.0), torch.full((10,), -1.0)
    run_kernel(module, [x, out], block_sizes={"b0": 4}, seed=seed)
    assert out.tolist() == [-1, -1, -1, 3, 4, 5, 6, 7, 8, 9]


@BOTH
def test_a_masked_tile_past_the_ref_reads_other_and_stores_nothing(seed: int):
    mask = "tensor<?xi1, #tile.dims<b0>>"
    module = over_rows(
        {"x": ref("f32", 10), "out": ref("f32", 10)}, 10,
        f"""%three = arith.constant 3 : i32
        %next = tile.shift %t, %three : {T}, i32
        %i = tile.index %next : {T} -> {INDEX}
        %bound = arith.constant 5 : i32
        %bounds = value.splat %bound : i32 -> {INDEX}
        %keep = value.compare "ne", %i, %bounds : {INDEX} -> {mask}
        %v = tile.load %x[%next] mask %keep : {mask} other %zero : f32 : {ref("f32", 10)}[{T}] -> {ROW}
        tile.store %v, %out[%next] mask %keep : {mask} : {ROW}, {ref("f32", 10)}[{T}]""",
    )  # fmt: skip
    x, out = torch.arange(10.0), torch.full((10,), -1.0)
    run_kernel(module, [x, out], block_sizes={"b0": 4}, seed=seed)
    assert out.tolist() == [-1, -1, -1, 3, 4, -1, 6, 7, 8, 9]


# --- bounds -------------------------------------------------------------------------------------------------------

GATHER = f"""{load("i", 20, "i32")}
%v = tile.load %x[%iv] tiles(%t : {T}) : {ref("f32", 10)}[{INDEX}] -> {ROW}{store("v", "out", 20)}"""
GATHER_ARGS = {"i": ref("i32", 20), "x": ref("f32", 10), "out": ref("f32", 20)}


@pytest.mark.parametrize("wrong", [10, -1, 2**30])
def test_a_gather_out_of_bounds_raises_with_its_location(wrong: int):
    module = over_rows(GATHER_ARGS, 20, GATHER.replace(f"[{INDEX}] -> {ROW}", f'[{INDEX}] -> {ROW} loc("k.py":7:3)'))
    index = torch.arange(20, dtype=torch.int32) % 10
    out = torch.zeros(20)
    run_kernel(module, [index, torch.arange(10.0), out])
    assert torch.equal(out, index.float())
    index[17] = wrong
    with pytest.raises(InterpretationError, match=rf"tile.load at k.py:7:3: index {wrong} is out of bounds"):
        run_kernel(module, [index, torch.arange(10.0), out])


def test_a_masked_gather_reads_no_masked_lane():
    body = f"""{load("i", 20, "i32")}
    %ten = arith.constant 10 : i32
    %limit = value.splat %ten : i32 -> {INDEX}
    %keep = value.compare "ult", %iv, %limit : {INDEX} -> tensor<?xi1, #tile.dims<b0>>
    %v = tile.load %x[%iv] tiles(%t : {T}) mask %keep : tensor<?xi1, #tile.dims<b0>> other %zero : f32
      : {ref("f32", 10)}[{INDEX}] -> {ROW}{store("v", "out", 20)}"""
    index = torch.arange(20, dtype=torch.int32) - 5
    out = torch.full((20,), -1.0)
    run_kernel(over_rows(GATHER_ARGS, 20, body), [index, torch.arange(10.0) + 1, out])
    assert torch.equal(out, torch.where((index >= 0) & (index < 10), index + 1, 0).float())


@pytest.mark.parametrize("position", [3, -1])
def test_a_scalar_index_out_of_bounds_raises(position: int):
    body = f"""%at = arith.constant {position} : i32
    tile.store %zero, %out[%at] : f32, {ref("f32", 3)}[i32]"""
    with pytest.raises(InterpretationError, match=f"index {position} is out of bounds for dimension 0 of size 3"):
        run_kernel(over_rows({"out": ref("f32", 3)}, 1, body), [torch.zeros(3)])


def test_positions_before_the_ref_are_not_touched():
    body = f"""%minus = arith.constant -2 : i32
    %back = tile.shift %t, %minus : {T}, i32
    %v = tile.load %x[%back] other %zero : f32 : {ref("f32", 10)}[{T}] -> {ROW}
    tile.store %v, %out[%t] : {ROW}, {ref("f32", 10)}[{T}]"""
    x, out = torch.arange(10.0) + 1, torch.full((10,), -1.0)
    run_kernel(over_rows({"x": ref("f32", 10), "out": ref("f32", 10)}, 10, body), [x, out])
    assert torch.equal(out, torch.cat([torch.zeros(2), x[:-2]]))


def test_arguments_are_checked():
    module, x = kernel("add"), torch.zeros(37, 53)
    for args, message in [
        ([x, x], "takes 3 arguments, got 2"),
        ([x, x, x.double()], "argument out must hold torch.float32, got torch.float64"),
        ([x, x.t(), x], r"argument y must have sizes \[37, 53\], got \[53, 37\]"),
        ([x, 1.0, x], "argument y is a ref, got float"),
    ]:
        with pytest.raises(InterpretationError, match=message):
            run_kernel(module, args)
    y = torch.zeros(40, 53, dtype=torch.bfloat16)
    with pytest.raises(InterpretationError, match=r"must have sizes \[41, 53\], got \[40, 53\]"):
        run_kernel(kernel("matmul"), [y.new_zeros(37, 41), y, x])


def test_a_missing_symbol_is_named():
    module = over_rows({"out": ref("i32", 1)}, 1, "%s = tile.symbol <s9> : i32")
    with pytest.raises(InterpretationError, match=r"tile\.symbol: dim s9 has no value"):
        run_kernel(module, [torch.zeros(1, dtype=torch.int32)])
    run_kernel(module, [torch.zeros(1, dtype=torch.int32)], {"s9": 4})


# --- tiles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "expected"), [("begin", [0, 4, 8]), ("end", [4, 8, 10]), ("id", [0, 1, 2]), ("count", [3, 3, 3])]
)
def test_tile_properties(op: str, expected: list[int]):
    body = f"""%id = tile.id %t : {T} -> i32
    %v = tile.{op} %t : {T} -> i32
    tile.store %v, %out[%id] : i32, {ref("i32", 3)}[i32]"""
    out = torch.zeros(3, dtype=torch.int32)
    run_kernel(over_rows({"out": ref("i32", 3)}, 10, body), [out], block_sizes={"b0": 4})
    assert out.tolist() == expected


@BOTH
def test_strided_slice(seed: int):
    body = f"""%from = arith.constant 3 : i32
    %to = arith.constant 18 : i32
    %slice = tile.range %from to %to {{step = #builtin.int<4>}} : i32 -> !tile.tile<6>
    %v = tile.load %x[%slice] : {ref("f32", 20)}[!tile.tile<6>] -> tensor<6xf32>
    %s = tile.reduce "sum" %v over %slice {{axis = #builtin.int<0>}} : tensor<6xf32>, !tile.tile<6> -> f32
    tile.store %s, %out[%c0] : f32, {ref("f32", 1)}[i32]"""
    out = torch.zeros(1)
    run_kernel(over_rows({"x": ref("f32", 20), "out": ref("f32", 1)}, 1, body), [torch.arange(20.0), out], seed=seed)
    assert out.item() == 3 + 7 + 11 + 15


def test_loop_of_two_dims_is_row_major_and_bounds_are_run_time_values():
    body = f"""%r = tile.for (%c1, %c0) to (%n, %three) by <2, 1> : i32, i32 iter_args(%c0) : i32 {{
      ^bb2(%i: i32, %j: i32, %at: i32):
        %ten = arith.constant 10 : i32
        %ij = arith.muli %i, %ten : i32
        %code = arith.addi %ij, %j : i32
        tile.store %code, %out[%at] : i32, {ref("i32", 9)}[i32]
        %next = arith.addi %at, %c1 : i32
        tile.yield %next : i32
      }}"""
    out = torch.zeros(9, dtype=torch.int32)
    module = over_rows({"n": "i32", "out": ref("i32", 9)}, 1, "%three = arith.constant 3 : i32\n" + body)
    run_kernel(module, [6, out])
    assert out.tolist() == [10, 11, 12, 30, 31, 32, 50, 51, 52]
    run_kernel(module, [1, out.zero_()])
    assert not out.any()


# --- values -------------------------------------------------------------------------------------------------------


def elementwise(body: str, x: torch.Tensor, dtype: str = "f32", out_dtype: str | None = None) -> torch.Tensor:
    """Run `body`, which makes %r of %xv, over all of x; the dtype of the result is `out_dtype`."""
    size, out_dtype = len(x), out_dtype or dtype
    args = {"x": ref(dtype, size), "out": ref(out_dtype, size)}
    torch_dtype = {"f32": torch.float32, "f16": torch.float16, "i32": torch.int32, "i64": torch.int64}[out_dtype]
    out = torch.zeros(size, dtype=torch_dtype)
    run_kernel(over_rows(args, size, load("x", size, dtype) + body + store("r", "out", size, out_dtype)), [x, out])
    return out


@pytest.mark.parametrize(
    ("op", "function"),
    [("math.exp", torch.exp), ("math.erf", torch.erf), ("math.roundeven", torch.round), ("arith.negf", torch.neg),
     ("math.cbrt", lambda x: x.sign() * x.abs() ** (1 / 3)), ("math.absf", torch.abs)],
)  # fmt: skip
def test_unary(op: str, function: object):
    x = torch.linspace(-3, 3, 37)
    assert callable(function)
    torch.testing.assert_close(
        elementwise(f"%r = {op} %xv : {ROW}", x).double(), function(x.double()), atol=1e-5, rtol=1e-5
    )


def test_round_is_away_from_zero_at_halves():
    x = torch.tensor([0.5, 1.5, -0.5, -2.5, 0.4])
    assert elementwise(f"%r = math.round %xv : {ROW}", x).tolist() == [1, 2, -1, -3, 0]


def test_half_precision_is_rounded_once_per_op():
    x = torch.tensor([1.0, 3.0, 7.0, 1000.0], dtype=torch.float16)
    half = "tensor<?xf16, #tile.dims<b0>>"
    actual = elementwise(f"%q = arith.divf %xv, %xv : {half}\n%r = arith.addf %q, %xv : {half}", x, "f16")
    assert torch.equal(actual, (x.float() + 1).half())


def test_max_propagates_nan_and_maxnum_does_not():
    x = torch.tensor([float("nan"), 1.0, -1.0])
    zeros = f"%z = value.splat %zero : f32 -> {ROW}\n"
    assert elementwise(zeros + f"%r = arith.maximumf %xv, %z : {ROW}", x)[0].isnan()
    assert elementwise(zeros + f"%r = arith.maxnumf %xv, %z : {ROW}", x).tolist() == [0, 1, 0]


def test_casts_bitcast_select_and_libdevice():
    x = torch.tensor([-2.7, 2.7, 0.3, -0.3])
    assert elementwise(f'%r = value.cast "fptosi" %xv : {ROW} to {INDEX}', x, out_dtype="i32").tolist() == [-2, 2, 0, 0]
    bits = elementwise(f"%r = value.bitcast %xv : {ROW} to {INDEX}", x, out_dtype="i32")
    assert torch.equal(bits, x.view(torch.int32))
    select = f"""%z = value.splat %zero : f32 -> {ROW}
    %c = value.compare "lt", %xv, %z : {ROW} -> tensor<?xi1, #tile.dims<b0>>
    %r = value.select %c, %z, %xv : tensor<?xi1, #tile.dims<b0>>, {ROW}"""
    assert torch.equal(elementwise(select, x), x.clamp(min=0))
    erfinv = elementwise(f'%r = value.libdevice "erfinv"(%xv) : ({ROW}) -> {ROW}', x / 4)
    torch.testing.assert_close(erfinv, torch.erfinv(x / 4))
    with pytest.raises(InterpretationError, match="no torch counterpart of libdevice function 'nonsense'"):
        elementwise(f'%r = value.libdevice "nonsense"(%xv) : ({ROW}) -> {ROW}', x)


def test_comparisons_of_nan():
    x = torch.tensor([float("nan"), 0.0, 1.0])
    for predicate, expected in [("eq", [0, 1, 0]), ("ne", [1, 0, 1]), ("le", [0, 1, 0]), ("gt", [0, 0, 1])]:
        body = f"""%z = value.splat %zero : f32 -> {ROW}
        %c = value.compare "{predicate}", %xv, %z : {ROW} -> tensor<?xi1, #tile.dims<b0>>
        %r = value.cast "extui" %c : tensor<?xi1, #tile.dims<b0>> to {INDEX}"""
        assert elementwise(body, x, out_dtype="i32").tolist() == expected


def test_views():
    wide, pair = "tensor<?x1xf32, #tile.dims<b0, 1>>", "tensor<?x2xf32, #tile.dims<b0, 2>>"
    flat = 'tensor<?xf32, #tile.dims<"2*b0">>'
    body = f"""%n = arith.negf %xv : {ROW}
    %j = value.join %xv, %n : {ROW} -> {pair}
    %f = value.reshape %j : {pair} -> {flat}
    %j2 = value.reshape %f : {flat} -> {pair}
    %p = value.permute %j2 {{order = array<i64: 1, 0>}} : {pair} -> tensor<2x?xf32, #tile.dims<2, b0>>
    %q = value.permute %p {{order = array<i64: 1, 0>}} : tensor<2x?xf32, #tile.dims<2, b0>> -> {pair}
    %e = value.expand_dims %xv {{axis = #builtin.int<1>}} : {ROW} -> {wide}
    %b = value.broadcast %e : {wide} -> {pair}
    %sum = arith.addf %q, %b : {pair}
    %first, %second = value.split %sum : {pair} -> {ROW}
    %r = arith.subf %first, %second : {ROW}"""
    x = torch.arange(32.0)
    assert torch.equal(elementwise(body, x), 2 * x)


def test_gather_of_a_value():
    body = f"""%i = tile.index %t : {T} -> {INDEX}
    %one = value.splat %c1 : i32 -> {INDEX}
    %other = arith.xori %i, %one : {INDEX}
    %r = value.gather %xv, %other {{axis = #builtin.int<0>}} : {ROW}, {INDEX} -> {ROW}"""
    x = torch.arange(16.0)
    assert torch.equal(elementwise(body, x), x.view(8, 2).flip(1).reshape(16))


# --- reductions and scans -----------------------------------------------------------------------------------------

MATRIX = "tensor<?x?xf32, #tile.dims<b0, 7>>".replace("x?xf32", "x7xf32")


def along_rows(op: str, x: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Run a reduction of the first 5 of 7 columns: `op` makes %r of %xv over %five."""
    body = f"""%all = tile.whole : !tile.tile<7>
    %stop = arith.constant 5 : i32
    %five = tile.range %c0 to %stop : i32 -> !tile.tile<7>
    %xv = tile.load %x[%t, %five] : {ref("f32", 11, 7)}[{T}, !tile.tile<7>] -> {MATRIX}
    {op}{store("r", "out", 11)}"""
    out = torch.zeros(11)
    run_kernel(over_rows({"x": ref("f32", 11, 7), "out": ref("f32", 11)}, 11, body), [x, out], seed=seed)
    return out


@BOTH
@pytest.mark.parametrize(
    ("kind", "function"), [("sum", torch.sum), ("prod", torch.prod), ("max", torch.amax), ("min", torch.amin)]
)
def test_reductions(kind: str, function: object, seed: int):
    x = torch.randn(11, 7)
    assert callable(function)
    op = f'%r = tile.reduce "{kind}" %xv over %five {{axis = #builtin.int<1>}} : {MATRIX}, !tile.tile<7> -> {ROW}'
    torch.testing.assert_close(along_rows(op, x, seed), function(x[:, :5], 1))


@BOTH
def test_scan_reads_and_writes_valid_lanes_from_either_end(seed: int):
    x, weights = torch.randn(11, 7), torch.arange(7.0)
    for options, expected in [("", x[:, :5].cumsum(1)), (", reverse", x[:, :5].flip(1).cumsum(1).flip(1))]:
        axis = "{axis = #builtin.int<1>"
        op = f"""%s = tile.scan "sum" %xv over %five {axis}{options}}} : {MATRIX}, !tile.tile<7>  -> {MATRIX}
        %p = tile.index %all : !tile.tile<7> -> tensor<7xi32>
        %f = value.cast "sitofp" %p : tensor<7xi32> to tensor<7xf32>
        %k = value.expand_dims %f {{axis = #builtin.int<0>}} : tensor<7xf32> -> tensor<1x7xf32>
        %b = value.broadcast %k : tensor<1x7xf32> -> {MATRIX}
        %w = arith.mulf %s, %b : {MATRIX}
        %r = tile.reduce "sum" %w over %five {axis}}} : {MATRIX}, !tile.tile<7> -> {ROW}"""
        torch.testing.assert_close(along_rows(op, x, seed), (expected * weights[:5]).sum(1))


@BOTH
def test_arg_reduce_gives_the_first(seed: int):
    x = torch.randint(0, 3, (11, 7)).float()
    op = f"""%v, %i = tile.arg_reduce "max" %xv over %five {{axis = #builtin.int<1>}}
      : {MATRIX}, !tile.tile<7> -> {ROW}, {INDEX}
    %r = value.cast "sitofp" %i : {INDEX} to {ROW}"""
    expected = [row.index(max(row)) for row in x[:, :5].tolist()]
    assert along_rows(op, x, seed).tolist() == expected


def test_max_that_ignores_nan():
    x = torch.randn(11, 7)
    x[:, 2] = float("nan")
    x[4, :] = float("nan")
    ignoring = f"""%r = tile.reduce "max" %xv over %five {{axis = #builtin.int<1>, ignore_nan}}
      : {MATRIX}, !tile.tile<7> -> {ROW}"""
    expected = x[:, :5].nan_to_num(nan=float("-inf")).amax(1)
    expected[4] = float("nan")
    torch.testing.assert_close(along_rows(ignoring, x), expected, equal_nan=True)


# --- atomics ------------------------------------------------------------------------------------------------------


def test_atomics_on_one_address_take_turns():
    body = f"""%i = tile.index %t : {T} -> {INDEX}
    %place = value.splat %c0 : i32 -> {INDEX}
    %one = value.splat %c1 : i32 -> {INDEX}
    %old = tile.atomic_rmw "add" %one, %n[%place] tiles(%t : {T}) : {INDEX}, {ref("i32", 1)}[{INDEX}] -> {INDEX}
    tile.store %i, %out[%old] tiles(%t : {T}) : {INDEX}, {ref("i32", 37)}[{INDEX}]"""
    n, out = torch.zeros(1, dtype=torch.int32), torch.zeros(37, dtype=torch.int32)
    run_kernel(over_rows({"n": ref("i32", 1), "out": ref("i32", 37)}, 37, body), [n, out])
    assert n.item() == 37
    assert out.sort().values.tolist() == list(range(37))


@pytest.mark.parametrize(("kind", "expected"), [("max", 200), ("min", 3), ("xchg", 3), ("xor", 100 ^ 200 ^ 3)])
def test_atomic_kinds_of_unsigned_memory(kind: str, expected: int):
    u8 = "tensor<?xi8, #tile.dims<b0>>"
    body = f"""%v = tile.load %x[%t] : {ref("ui8", 2)}[{T}] -> {u8}
    %place = value.splat %c0 : i32 -> {INDEX}
    tile.atomic_rmw "{kind}" %v, %n[%place] tiles(%t : {T}) : {u8}, {ref("ui8", 1)}[{INDEX}]"""
    n = torch.tensor([100], dtype=torch.uint8)
    x = torch.tensor([200, 3], dtype=torch.uint8)
    run_kernel(over_rows({"x": ref("ui8", 2), "n": ref("ui8", 1)}, 2, body), [x, n])
    assert n.item() == expected


def test_compare_and_swap():
    body = f"""%v = tile.load %x[%t] : {ref("i32", 3)}[{T}] -> {INDEX}
    %zeros = value.splat %c0 : i32 -> {INDEX}
    %old = tile.atomic_cas %zeros, %v, %lock[%t] : {INDEX}, {INDEX}, {ref("i32", 3)}[{T}] -> {INDEX}
    tile.store %old, %out[%t] : {INDEX}, {ref("i32", 3)}[{T}]"""
    lock, out = torch.tensor([0, 5, 0], dtype=torch.int32), torch.zeros(3, dtype=torch.int32)
    args = {"x": ref("i32", 3), "lock": ref("i32", 3), "out": ref("i32", 3)}
    run_kernel(over_rows(args, 3, body), [torch.tensor([7, 8, 9], dtype=torch.int32), lock, out])
    assert lock.tolist() == [7, 5, 9]
    assert out.tolist() == [0, 5, 0]


def test_float8_refs():
    for name, dtype in [("f8E4M3FN", torch.float8_e4m3fn), ("f8E5M2", torch.float8_e5m2)]:
        half = f"tensor<?x{name}, #tile.dims<b0>>"
        body = f"""{load("x", 21, name)}
        %w = arith.extf %xv : {half} to {ROW}
        %d = arith.addf %w, %w : {ROW}
        %r = arith.truncf %d : {ROW} to {half}{store("r", "out", 21, name)}"""
        x, out = torch.randn(21).to(dtype), torch.zeros(21).to(dtype)
        run_kernel(over_rows({"x": ref(name, 21), "out": ref(name, 21)}, 21, body), [x, out])
        assert torch.equal(out.float(), (x.float() * 2).to(dtype).float())
