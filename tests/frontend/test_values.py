"""Kernels traced by the frontend and run by the tile interpreter, against PyTorch in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from helion_ir.dialects import tile
from helion_ir.dialects.names import block_param
from xdsl.dialects import scf
from xdsl.ir import Operation

import helion_ir
import helion_ir.language as hl
from helion_ir.frontend import trace
from helion_ir.interpreter import run_kernel
from helion_ir.sizes import HOST_FUNCTIONS

BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32
BLOCKS = {"b0": 16, "b1": 8, "b2": 32, "b3": 4}


def run(fn: Callable[..., Any], *args: Any, blocks: dict[str, int] | None = None, static: bool = True) -> Any:
    """Trace `fn`, run its host text with the launch interpreted, and return what it returns."""
    traced = trace(fn, args, static_shapes=static)
    (kernel,) = (op for op in traced.module.ops if isinstance(op, tile.KernelOp))
    sizes = {name: size for name, size in (blocks or BLOCKS).items() if name not in kernel.block_size_values}
    names: dict[str, Any] = {"torch": torch, **HOST_FUNCTIONS, **{block_param(b): sizes[b] for b in sizes}}
    names |= {name: fn.__globals__[name] for _, name in traced.captures.values()}

    def launch(local: dict[str, Any]) -> None:
        scope = {**names, **local}
        values = [eval(expr.data, scope) for expr in kernel.arg_exprs]
        symbols = {name: eval(expr.data, scope) for name, expr in kernel.symbols.data.items()}
        for seed in (0, 1):
            run_kernel(traced.module, values, symbols, sizes, seed=seed)

    names["__launch__"] = launch
    exec(kernel.host.data.replace("__launch__()", "__launch__(locals())"), names)
    return names[traced.name](*args)


def ops_of(fn: Callable[..., Any], *args: Any, **options: Any) -> list[Operation]:
    """All ops of the traced kernel."""
    return list(trace(fn, args, **options).module.walk())


def close(actual: Any, expected: Any, **tolerance: float) -> None:
    torch.testing.assert_close(actual.double(), expected.double(), **tolerance)


SCALE = {BF16: {"rtol": 2e-2, "atol": 2e-2}, F16: {"rtol": 2e-3, "atol": 2e-3}, F32: {"rtol": 1e-5, "atol": 1e-5}}


# Control flow


def carried_twice(x: torch.Tensor) -> torch.Tensor:
    rows, cols = x.size()
    out = torch.empty([rows, 2], dtype=x.dtype, device=x.device)
    for t in hl.tile(rows):
        low = hl.full([t], float("inf"), dtype=x.dtype)
        total = hl.zeros([t], dtype=x.dtype)
        count = 0
        for c in hl.tile(cols):
            part = x[t, c]
            low, total = torch.minimum(low, part.amin(-1)), total + part.sum(-1)
            count += 1
        out[t, 0] = low
        out[t, 1] = total * count
    return out


def test_several_carried_values_and_a_counter() -> None:
    x = torch.randn(37, 45)
    blocks = {"b0": 16, "b1": 8}
    expected = torch.stack([x.amin(1), x.sum(1) * 6], 1)
    close(run(carried_twice, x, blocks=blocks), expected, **SCALE[F32])


def swapped(x: torch.Tensor, steps: int) -> torch.Tensor:
    out = torch.empty([x.size(0), 2], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0)):
        a, b = x[t], x[t] * 2
        for _ in range(steps):
            a, b = b, a + b
        out[t, 0] = a
        out[t, 1] = b
    return out


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_swapped_carried_values(steps: int) -> None:
    x = torch.randn(19)
    a, b = x, x * 2
    for _ in range(steps):
        a, b = b, a + b
    close(run(swapped, x, steps), torch.stack([a, b], 1), **SCALE[F32])


def in_place(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0)):
        state = {"sum": hl.zeros([t], dtype=x.dtype)}
        for c in hl.tile(x.size(1)):
            state["sum"] += x[t, c].sum(1)
        state["sum"].mul_(2).clamp_(max=1.0)
        out[t] = state["sum"]
    return out


def test_in_place_forms_and_values_in_a_dict() -> None:
    x = torch.randn(21, 40)
    close(run(in_place, x), (x.sum(1) * 2).clamp(max=1.0), **SCALE[F32])


def runtime_if(x: torch.Tensor, flags: torch.Tensor, k: int) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0), block_size=8):
        value = x[t]
        if flags[t.id] > 0 and k > 3:
            value = value * k
            extra = 1
        elif k == 2:
            extra = 2
        else:
            value = -value
            extra = 3
        out[t] = value + extra
    return out


@pytest.mark.parametrize("k", [2, 3, 5])
def test_runtime_branches(k: int) -> None:
    x, flags = torch.randn(40), torch.tensor([1, 0, 2, -1, 1])
    expected = torch.empty_like(x)
    for i in range(5):
        part = x[8 * i : 8 * i + 8]
        taken = part * k + 1 if flags[i] > 0 and k > 3 else part + 2 if k == 2 else 3 - part
        expected[8 * i : 8 * i + 8] = taken
    close(run(runtime_if, x, flags, k), expected, **SCALE[F32])
    assert sum(isinstance(op, scf.IfOp) for op in ops_of(runtime_if, x, flags, k)) == 2


def folded_if(x: torch.Tensor, mode: str) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        if mode == "double":  # noqa: SIM108
            value = x[t] * 2
        else:
            value = x[t].no_such_method()
        out[t] = value if mode != "never" else undefined_name  # noqa: F821
    return out


def test_compile_time_branches_fold() -> None:
    x = torch.randn(10)
    close(run(folded_if, x, "double"), x * 2)
    assert not any(isinstance(op, scf.IfOp) for op in ops_of(folded_if, x, "double"))


def conditional_expression(x: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * (2.0 if n > 4 else 0.5) + (1 if not n > 4 else 0)
    return out


@pytest.mark.parametrize("n", [3, 7])
def test_conditional_expression_of_a_runtime_scalar(n: int) -> None:
    x = torch.randn(33)
    close(run(conditional_expression, x, n), x * 2 if n > 4 else x * 0.5 + 1)


def newton(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=torch.int32, device=x.device)
    for i in hl.grid(x.size(0)):
        n = x[i]
        steps = 0
        while n > 1:
            if n % 2 == 0:  # noqa: SIM108
                n = n // 2
            else:
                n = 3 * n + 1
            steps = steps + 1
        out[i] = steps
    return out


def test_while_on_runtime_scalars() -> None:
    x = torch.tensor([1, 2, 3, 7, 27])
    assert run(newton, x).tolist() == [0, 1, 7, 16, 111]
    assert any(isinstance(op, scf.WhileOp) for op in ops_of(newton, x))


def lengths_loop(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
    for i in hl.grid(x.size(0)):
        acc = hl.zeros([1], dtype=x.dtype)
        for c in hl.tile(1, lengths[i]):
            acc = acc + x[i, c].sum(0, keepdim=True)
        out[i] = acc
    return out


def test_runtime_bounds() -> None:
    x, lengths = torch.randn(4, 20), torch.tensor([1, 5, 20, 13])
    expected = torch.stack([x[i, 1 : int(n)].sum() for i, n in enumerate(lengths)])
    close(run(lengths_loop, x, lengths), expected, **SCALE[F32])


def unrolled(parts: list[torch.Tensor]) -> torch.Tensor:
    out = torch.zeros_like(parts[0])
    for t in hl.tile(out.size(0)):
        acc = hl.zeros([t], dtype=torch.float32)
        for i in hl.static_range(len(parts)):
            acc = acc + parts[i][t] * (i + 1)
        for weight, part in zip((1.0, 10.0), parts, strict=False):
            acc = acc + weight * part[t]
        acc = acc + sum([p[t] for p in parts])
        out[t] = acc
    return out


def test_unrolled_loops_over_a_list_of_tensors() -> None:
    parts = [torch.randn(21) for _ in range(3)]
    expected = sum(p * (i + 2) for i, p in enumerate(parts)) + parts[0] + 10 * parts[1]
    close(run(unrolled, parts), expected, **SCALE[F32])


# Subscripts


def subscripts(x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    n = x.size(0)
    out = torch.empty([n, 7], dtype=x.dtype, device=x.device)
    for t in hl.tile(n):
        out[t, 0] = x[t, -1, 2]
        out[t, 1] = x[t, 1:4, 0].sum(1)
        out[t, 2] = x[t, ..., -1].sum(-1)
        out[t, 3] = x[t, ::2, 1].sum(1)
        out[t, 4] = x[t, index[0], 0]
        out[t, 5] = x[t, index[:], 1].sum(1)
        out[t, -1] = x[t, None, 0, :].sum((1, 2))
    return out


def test_subscripts() -> None:
    x, index = torch.randn(9, 6, 5), torch.tensor([2, 0, 3])
    expected = torch.stack(
        [
            x[:, -1, 2], x[:, 1:4, 0].sum(1), x[:, :, -1].sum(-1), x[:, ::2, 1].sum(1), x[:, 2, 0],
            x[:, index, 1].sum(1), x[:, 0].sum(1),
        ], 1,
    )  # fmt: skip
    close(run(subscripts, x, index), expected, **SCALE[F32])


def identity_alignment(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for a, b in hl.tile(x.size()):
        out[a, b] = x[a, b] + y[a]
    return out


def test_alignment_by_tile_identity() -> None:
    x, y = torch.randn(13, 13), torch.randn(13)
    close(run(identity_alignment, x, y), x + y[:, None])


def shifted(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t + 3] - x[t]
    return out


def test_a_shifted_tile_loads_zeros_past_the_end() -> None:
    x = torch.randn(21)
    close(run(shifted, x), torch.cat([x[3:], torch.zeros(3)]) - x)


def scatter(values: torch.Tensor, index: torch.Tensor, out: torch.Tensor, counts: torch.Tensor) -> None:
    for t in hl.tile(values.size(0)):
        out[index[t]] = values[t]
        hl.atomic_add(counts, [index[t] // 4], 1)
        hl.store(out, [index[t]], 0, extra_mask=values[t] < 0)


def test_scatter_and_atomics() -> None:
    values, index = torch.randn(19), torch.randperm(19)
    out, counts = torch.zeros(19), torch.zeros(5, dtype=torch.int32)
    traced = trace(scatter, (values, index, out, counts))
    (kernel,) = traced.module.ops
    assert traced.output_is_none
    arguments = {"values": values, "index": index, "out": out, "counts": counts}
    run_kernel(traced.module, [arguments[name.data] for name in kernel.arg_names], {}, BLOCKS)
    expected = torch.zeros(19)
    expected[index] = values.clamp(min=0)
    close(out, expected)
    assert counts.tolist() == torch.bincount(index // 4, minlength=5).tolist()


def joint_gather(x: torch.Tensor, rows: torch.Tensor, cols: torch.Tensor) -> torch.Tensor:
    out = torch.empty(rows.size(), dtype=x.dtype, device=x.device)
    for a, b in hl.tile(rows.size()):
        out[a, b] = x[rows[a, b], cols[a, b]] + hl.load(x, [rows[a, 0], cols[0, b]]).sum() * 0
    return out


def test_index_tensors_of_rank_two_broadcast() -> None:
    x, rows, cols = torch.randn(7, 8), torch.randint(7, (5, 6)), torch.randint(8, (5, 6))
    close(run(joint_gather, x, rows, cols), x[rows, cols])


# Operators


def unary(x: torch.Tensor, f: Any) -> torch.Tensor:
    out = torch.empty_like(f(x))
    for t in hl.tile(x.size()):
        out[t] = f(x[t])
    return out


UNARY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": torch.nn.functional.gelu, "silu": torch.nn.functional.silu, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
    "softplus": torch.nn.functional.softplus, "exp2": torch.exp2, "rsqrt": lambda x: torch.rsqrt(x.abs() + 0.5),
    "pow3": lambda x: x**3, "pow": lambda x: (x.abs() + 0.1) ** 1.7, "clamp": lambda x: x.clamp(-0.5, 0.5),
    "where": lambda x: torch.where(x > 0, x, 0.25 * x), "leaky": torch.nn.functional.leaky_relu,
    "remainder": lambda x: x % 0.75, "floor": lambda x: torch.floor(x * 3), "round": lambda x: torch.round(x * 3),
    "reciprocal": lambda x: 1 / (x + 10), "log1p": lambda x: torch.log1p(x.abs()), "sign": torch.sign,
    "isnan": lambda x: torch.isnan(x / x) | (x > 1), "int": lambda x: (x * 10).to(torch.int32) // 3,
    "intmod": lambda x: (x * 10).to(torch.int64) % 7, "uint8": lambda x: (x.abs() * 100).to(torch.uint8) >> 1,
    "bool": lambda x: ~(x > 0) & (x < 1), "lerp": lambda x: torch.lerp(x, x * 2, 0.3), "erf": torch.erf,
    "addcmul": lambda x: torch.addcmul(x, x, x, value=0.5), "mish": torch.nn.functional.mish, "sin": torch.sin,
    "floordiv": lambda x: torch.div(x, 0.3, rounding_mode="floor"), "relu": torch.relu, "neg": lambda x: -x,
}  # fmt: skip


@pytest.mark.parametrize("dtype", [F32, BF16], ids=["f32", "bf16"])
@pytest.mark.parametrize("name", UNARY)
def test_pointwise(name: str, dtype: torch.dtype) -> None:
    x = torch.randn(33, 3).to(dtype)
    expected = UNARY[name](x)
    actual = run(unary, x, UNARY[name])
    assert actual.dtype == expected.dtype
    close(actual, expected, **SCALE[dtype])


def rowwise(x: torch.Tensor, f: Any) -> torch.Tensor:
    out = torch.empty_like(f(x))
    for t in hl.tile(x.size(0)):
        out[t, :] = f(x[t, :])
    return out


ROWS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "softmax": lambda x: torch.softmax(x, 1), "log_softmax": lambda x: torch.log_softmax(x, -1),
    "layer_norm": lambda x: torch.nn.functional.layer_norm(x, [x.size(1)]),
    "cumsum": lambda x: x.cumsum(1), "mean": lambda x: x - x.mean(1, keepdim=True),
    "var": lambda x: x / x.var(1, keepdim=True), "std": lambda x: x * x.std(-1, keepdim=True, correction=0),
    "norm": lambda x: x / x.norm(dim=1, keepdim=True), "amax": lambda x: x - x.amax(1, True),
    "normalize": lambda x: torch.nn.functional.normalize(x, dim=1), "cumprod": lambda x: (x * 0.5).cumprod(1),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [F32, BF16], ids=["f32", "bf16"])
@pytest.mark.parametrize("name", ROWS)
def test_rowwise(name: str, dtype: torch.dtype) -> None:
    x = torch.randn(13, 21).to(dtype)
    close(run(rowwise, x, ROWS[name]), ROWS[name](x), **SCALE[dtype])


def reduced(x: torch.Tensor, f: Any) -> torch.Tensor:
    out = torch.empty_like(f(x))
    for t in hl.tile(x.size(0)):
        out[t] = f(x[t, :])
    return out


REDUCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sum": lambda x: x.sum(1), "prod": lambda x: x.prod(1), "argmax": lambda x: x.argmax(1),
    "argmin": lambda x: torch.argmin(x, -1), "max": lambda x: x.max(1).values, "index": lambda x: x.min(1)[1],
    "any": lambda x: (x > 1.5).any(1), "all": lambda x: (x < 1.5).all(1), "logsumexp": lambda x: x.logsumexp(1),
    "int": lambda x: (x > 0).sum(1), "mean": lambda x: x.mean(1), "norm": lambda x: torch.linalg.vector_norm(x, dim=1),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    x = torch.randn(13, 21)
    actual, expected = run(reduced, x, REDUCTIONS[name]), REDUCTIONS[name](x)
    assert actual.dtype == expected.dtype
    close(actual, expected, **SCALE[F32])


def test_nan_propagates_through_maxima() -> None:
    x = torch.randn(5, 9)
    x[1, 3] = x[4, 0] = float("nan")
    actual = run(reduced, x, lambda v: v.amax(1))
    assert actual.isnan().tolist() == [False, True, False, False, True]


def products(x: torch.Tensor, y: torch.Tensor, f: Any) -> torch.Tensor:
    out = torch.empty_like(f(x, y))
    for m, n in hl.tile([x.size(0), y.size(1)]):
        out[m, n] = f(x[m, :], y[:, n])
    return out


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(
    "f", [torch.mm, torch.matmul, lambda x, y: x @ y, lambda x, y: (y.T @ x.T).T], ids=["mm", "matmul", "at", "T"]
)
def test_products(f: Any, mixed: bool) -> None:
    x, y = torch.randn(19, 24).to(BF16), torch.randn(24, 11).to(BF16)
    if mixed:
        kernel_out = run(mixed_product, x, y.float())
        close(kernel_out, x.float() @ y.float(), **SCALE[BF16])
    else:
        close(run(products, x, y, f), f(x, y), **SCALE[BF16])


def mixed_product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0), y.size(1)], dtype=torch.float32, device=x.device)
    for m, n in hl.tile([x.size(0), y.size(1)]):
        acc = hl.zeros([m, n])
        for k in hl.tile(x.size(1)):
            acc = hl.dot(x[m, k], y[k, n], acc=acc)
        out[m, n] = acc
    return out


def batched(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0), x.size(1), y.size(2)], dtype=x.dtype, device=x.device)
    for b, m in hl.tile([x.size(0), x.size(1)], block_size=[1, None]):
        acc = torch.zeros([b, m, y.size(2)], dtype=torch.float32, device=x.device)
        for k in hl.tile(x.size(2)):
            acc = torch.baddbmm(acc, x[b, m, k], y[b, k, :])
        out[b, m, :] = acc
    return out


@pytest.mark.parametrize("static", [True, False])
def test_batched_product(static: bool) -> None:
    x, y = torch.randn(3, 10, 20), torch.randn(3, 20, 7)
    close(run(batched, x, y, static=static), x @ y, **SCALE[F32])


# Arguments, closures, globals


class Pair(NamedTuple):
    left: torch.Tensor
    scale: float


OFFSET = 3
TABLE = torch.arange(50.0)


def helper(value: torch.Tensor, by: Any) -> torch.Tensor:
    return value * by + OFFSET


def many_arguments(pair: Pair, named: dict[str, torch.Tensor], f: Any, flag: bool, n: int, dtype: Any) -> torch.Tensor:
    out = torch.empty([pair.left.size(0)], dtype=dtype, device=pair.left.device)
    double = n * 2
    for t in hl.tile(pair.left.size(0)):
        value = f(pair.left[t] * pair.scale, t) + named["y"][t]
        if flag:
            value = helper(value, double)
        out[t] = value + TABLE[t]
    return out


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("flag", [True, False])
def test_all_kinds_of_arguments(flag: bool, static: bool) -> None:
    x, y, captured = torch.randn(21), torch.randn(21), torch.randn(21)
    factor = 4
    epilogue = lambda value, tile: value * factor + captured[tile]  # noqa: E731
    actual = run(many_arguments, Pair(x, 0.5), {"y": y}, epilogue, flag, 7, F16, static=static)
    expected = x * 0.5 * 4 + captured + y
    expected = (expected * 14 + 3 if flag else expected) + TABLE[:21]
    close(actual, expected, rtol=1e-2, atol=1e-2)


def test_arguments_are_named_by_host_expressions() -> None:
    captured = torch.randn(21)
    epilogue = lambda value, tile: value + captured[tile]  # noqa: E731
    args = (Pair(torch.randn(21), 0.5), {"y": torch.randn(21)}, epilogue, True, 7, F16)
    (kernel,) = trace(many_arguments, args).module.ops
    assert [e.data for e in kernel.arg_exprs] == [
        "pair.left", "pair.scale", "f.__closure__[0].cell_contents", "named['y']", "flag", "n", "TABLE", "out",
    ]  # fmt: skip


def with_constexpr(x: torch.Tensor, n: hl.constexpr) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * n if n > 2 else x[t]
    return out


def test_constexpr_folds() -> None:
    x = torch.randn(8)
    close(run(with_constexpr, x, 3), x * 3)
    (kernel,) = trace(with_constexpr, (x, 3)).module.ops
    assert [n.data for n in kernel.arg_names] == ["x", "out"]


def shared_block(x: torch.Tensor) -> torch.Tensor:
    block = hl.register_block_size(32)
    parts = torch.empty([(x.size(0) + block - 1) // block], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0), block_size=block):
        parts[t.id] = x[t].sum()
    return parts.sum()


def test_registered_block_size() -> None:
    x = torch.randn(100)
    close(run(shared_block, x, blocks={"b0": 16}), x.sum(), **SCALE[F32])
    (kernel,) = trace(shared_block, (x,)).module.ops
    assert kernel.blocks.data == {"b0": tile.BlockAttr(1, 32)}


def test_views_of_the_host_are_refs() -> None:
    x = torch.randn(6, 10)
    close(run(transposed, x), x.T * 2)


def transposed(x: torch.Tensor) -> torch.Tensor:
    y = x.T
    out = torch.empty_like(y, memory_format=torch.contiguous_format)
    for t in hl.tile(out.size()):
        out[t] = y[t] * 2
    return out


def attributes(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros([x.size(0), 4], dtype=torch.int64, device=x.device)
    for t in hl.tile(x.size(0), block_size=8):
        out[t, 0] = t.index
        out[t, 1] = t.begin + t.block_size - t.end
        out[t, 2] = t.id * 100 + t.count
        out[t, 3] = max(t.begin, 5) + hl.arange(t.block_size)
    return out


def test_tile_attributes() -> None:
    index = torch.arange(21)
    begin = index // 8 * 8
    expected = torch.stack(
        [index, begin + 8 - (begin + 8).clamp(max=21), index // 8 * 100 + 3, begin.clamp(min=5) + index % 8], 1
    )
    assert run(attributes, torch.zeros(21)).tolist() == expected.tolist()


# Dynamic shapes


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (33, 20)])
def test_dynamic_shapes(shape: Sequence[int]) -> None:
    x = torch.randn(*shape)
    for name in ("softmax", "layer_norm"):
        close(run(rowwise, x, ROWS[name], static=False), ROWS[name](x), **SCALE[F32])


def test_dynamic_sizes_are_symbols_named_by_host_expressions() -> None:
    traced = trace(rowwise, (torch.randn(5, 7), ROWS["softmax"]), static_shapes=False)
    (kernel,) = traced.module.ops
    assert sorted(e.data for e in kernel.symbols.data.values()) == [
        "x.size(0)", "x.size(1)", "x.stride(0)",
    ]  # fmt: skip
    assert [guard for guard in traced.guards if " < " not in guard] == ["x.stride(1) == 1"]


# The IR


def test_locations_and_names_are_the_users() -> None:
    kernel = trace(carried_twice, (torch.randn(5, 6),)).module
    (loop,) = (op for op in kernel.walk() if isinstance(op, tile.ForOp))
    assert [r.name_hint for r in loop.results] == ["low", "total", "count"]
    (load,) = (op for op in kernel.walk() if isinstance(op, tile.LoadOp))
    source = Path(__file__).read_text().splitlines()
    assert source[load.location.line.data - 1][load.location.column.data - 1 :].startswith("x[t, c]")


def test_registered_and_fixed_blocks() -> None:
    (kernel,) = trace(runtime_if, (torch.randn(16), torch.zeros(2), 1)).module.ops
    assert kernel.blocks.data == {"b0": tile.BlockAttr(8, 8)}


@helion_ir.kernel(autotune_effort="none")
def from_the_end(x: torch.Tensor, i: torch.Tensor, n: int) -> tuple[torch.Tensor, ...]:
    columns, rows, scattered = torch.empty(x.size(0)), torch.empty_like(x), torch.zeros_like(x)
    shifted, sums = torch.empty_like(x), torch.zeros(x.size(0))
    for t in hl.tile(x.size(0)):
        columns[t] = x[t, n] + x[i[t], n]
        rows[t, :] = x[i[t], :]
        scattered[i[t], :] = x[t, :]
        hl.atomic_add(sums, [i[t]], x[t, 0])
        for k in hl.grid(2):
            shifted[t, :] = x[i[k], :] + x[k - 1, :]
    return columns, rows, scattered, shifted, sums


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int8])
@pytest.mark.parametrize("static", [True, False])
def test_negative_positions_count_from_the_end(dtype: torch.dtype, static: bool) -> None:
    x, i = torch.randn(5, 150), torch.tensor([-1, 0, -4, 3, 2])
    kernel = helion_ir.kernel(from_the_end.fn, autotune_effort="none", static_shapes=static)
    for n in (-1, 3, -150):
        columns, rows, scattered, shifted, sums = kernel(x, i.to(dtype), n)
        torch.testing.assert_close(columns, x[:, n] + x[i, n])
        torch.testing.assert_close(rows, x[i])
        torch.testing.assert_close(scattered, torch.zeros_like(x).index_put((i,), x))
        torch.testing.assert_close(shifted, (x[i[1]] + x[0]).expand(5, 150))
        torch.testing.assert_close(sums, torch.zeros(5).index_put((i,), x[:, 0]))


@helion_ir.kernel(autotune_effort="none")
def never_negative(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        i = (t.index >> 1) + (t.index & 1)
        out[t] = x[i.clamp(min=0)] + x[t.index.long()] + x[t.id]
    return out


def test_what_cannot_be_negative_is_no_question() -> None:
    x = torch.randn(6)
    compiled = helion_ir.compile(never_negative, {"block_sizes": [8]}, (x,))
    assert "where" not in compiled.source
    i = torch.arange(6)
    torch.testing.assert_close(compiled(x), x[i // 2 + (i & 1)] + x + x[0])


def test_clamp_takes_bounds_of_any_kind() -> None:
    def clamped(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = hl.clamp(x[t], -0.5, y[t]) + hl.clamp(x[t], max=y[0]) + hl.clamp(y[0], 0, 1)
        return out

    x, y = torch.randn(13), torch.rand(13)
    low = torch.full_like(x, -0.5)
    close(run(clamped, x, y), torch.clamp(x, low, y) + torch.minimum(x, y[0]) + y[0].clamp(0, 1))
