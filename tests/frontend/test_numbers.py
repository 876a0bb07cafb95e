"""Numbers of Python in kernels: run-time ints, floats and bools mean what Python says, and join the key on demand."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc
from helion_ir.frontend import trace

kernel = helion_ir.kernel(autotune_effort="none")
ARGUMENTS = ((-7, -2.5, True), (3, 0.9, False), (2, 0.29, True), (7, 3.25, False), (0, 0.0, True))

INTEGERS: list[Callable[[int, float, bool], Any]] = [
    lambda m, y, flag: m // 3,
    lambda m, y, flag: m % 3,
    lambda m, y, flag: -m // 2,
    lambda m, y, flag: m // -3 + m % -3,
    lambda m, y, flag: ~m,
    lambda m, y, flag: m**3 + 2**3,
    lambda m, y, flag: divmod(m, 4)[0] * 100 + divmod(-m, 4)[1],
    lambda m, y, flag: (m // 2) % 3 + (m * 7) % 5,
    lambda m, y, flag: (m + 7) % (m * m + 1),
    lambda m, y, flag: abs(m) + min(m, 3) + max(m, 3),
    lambda m, y, flag: (m << 2) + (m >> 1) + (m & 3) + (m ^ 5),
    lambda m, y, flag: m or 5,
    lambda m, y, flag: m and 5,
    lambda m, y, flag: (1 if 1 < m < 10 else 2) + int(not m),
    lambda m, y, flag: int(flag) * 3 + ~flag + (flag + 1),
]
FLOATS: list[Callable[[int, float, bool], Any]] = [
    lambda m, y, flag: m / 4 + float(m) / 8,
    lambda m, y, flag: y // 2 + 10 * (y % 3),
    lambda m, y, flag: y // 0.3 + 100 * (y % 0.3) + 10 * (m // 0.1) + divmod(y, 0.1)[0],
    lambda m, y, flag: int(y * 100) + 1000 * math.floor(y * 10) + round(y * 10),
    lambda m, y, flag: y**2 + y**3,
    lambda m, y, flag: m**-1 if m else 1.0,
    lambda m, y, flag: int(y) + 10 * round(y) + 100 * math.floor(y) + 1000 * math.ceil(y) + math.trunc(y),
    lambda m, y, flag: round(2.5 * y),
    lambda m, y, flag: math.sqrt(abs(y)) + math.exp(y) + math.log(abs(y) + 1) + math.log2(abs(y) + 1),
    lambda m, y, flag: math.hypot(y, 3.0) + math.pow(abs(y), 0.5) + math.cos(y),
    lambda m, y, flag: y or 3.5,
    lambda m, y, flag: flag and y,
    lambda m, y, flag: m * (y > 0),
    lambda m, y, flag: max(m, y) + float(flag),
]


@kernel
def on_the_device(x: torch.Tensor, of: Callable[..., Any], m: int, y: float, flag: bool) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + of(m, y, flag)
    return out


@pytest.mark.parametrize("of", [*INTEGERS, *FLOATS])
def test_numbers_mean_what_python_says(of: Callable[..., Any]) -> None:
    x = torch.zeros(5)
    for arguments in ARGUMENTS:
        got = on_the_device(x, of, *arguments)
        torch.testing.assert_close(got, x + float(of(*arguments)), rtol=1e-5, atol=1e-5)


@kernel
def computed_by_the_host(x: torch.Tensor, m: int, y: float) -> torch.Tensor:
    a, b, (c, d) = ~m, m**2, divmod(m, 3)
    e, f = y**2, m or 5
    small = y * 2 > 1
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        if small:
            out[t] = x[t] + a + 10 * b + 100 * c + 1000 * d + e + f
        else:
            out[t] = x[t] - a - 10 * b - 100 * c - 1000 * d - e - f
    return out


def test_host_code_computes_with_arguments() -> None:
    x = torch.zeros(3)
    for m, y in ((-7, -2.5), (7, 3.25), (7, 4.0), (0, 0.5)):
        want = ~m + 10 * m**2 + 100 * (m // 3) + 1000 * (m % 3) + y**2 + (m or 5)
        torch.testing.assert_close(computed_by_the_host(x, m, y), x + (want if y * 2 > 1 else -want))


@kernel
def guarded_load(x: torch.Tensor, flags: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.zeros_like(x)
    for i in hl.grid(x.size(0)):
        if i < n and flags[i] > 0:
            out[i] = x[i] * 2
    return out


def test_a_part_that_reads_memory_is_evaluated_only_where_python_would() -> None:
    x, flags = torch.randn(6), torch.tensor([1, -1, 1])
    want = torch.zeros(6)
    want[0], want[2] = x[0] * 2, x[2] * 2
    torch.testing.assert_close(guarded_load(x, flags, 3), want)
    source = helion_ir.compile(guarded_load, {}, (x, flags, 3)).source
    line = next(line for line in source.splitlines() if "tl.load(flags" in line)
    test = next(line for line in source.splitlines() if line.strip().startswith("if "))
    assert len(line) - len(line.lstrip()) > len(test) - len(test.lstrip())


def on_demand(x: torch.Tensor, dim: int, scale: float, keep: bool) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0)):
        total = x[t, :].sum(dim=dim, keepdim=keep)
        out[t] = total.reshape(-1) * torch.nn.functional.softplus(x[t, 0], beta=scale)
    return out


def test_values_that_python_needs_join_the_key() -> None:
    assert set(trace(on_demand, (torch.zeros(3, 4), 1, 1.5, True)).guards) == {"(dim) == 1", "keep is True"}
    run = kernel(on_demand)
    x = torch.randn(5, 4)
    for dim, scale, keep in ((1, 1.5, True), (-1, 2.0, False), (1, 2.0, True)):
        want = x.sum(1) * torch.nn.functional.softplus(x[:, 0], beta=scale)
        torch.testing.assert_close(run(x, dim, scale, keep), want)


@kernel
def constant_of_the_host(x: torch.Tensor, flag: bool, sizes: list[int]) -> torch.Tensor:
    chosen, (first, _) = hl.constexpr(flag), hl.constexpr(sizes)
    out = torch.zeros_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + (first if chosen else -first)
        for i in hl.static_range(first):
            out[t] = out[t] + i if chosen else out[t] - i
    return out


def test_a_constant_of_the_host_joins_the_key() -> None:
    x = torch.randn(5)
    for flag, sizes in ((True, [3, 4]), (False, [3, 4]), (True, [2, 4]), (True, [3, 5])):
        first, sign = sizes[0], 1 if flag else -1
        torch.testing.assert_close(constant_of_the_host(x, flag, sizes), x + sign * (first + sum(range(first))))


def only_the_device_knows(x: torch.Tensor) -> torch.Tensor:
    for t in hl.tile(x.size(0)):
        x[t] = x[t].sum(dim=t.begin)
    return x


def test_what_only_the_device_knows_is_refused() -> None:
    with pytest.raises(exc.Base, match="at compile time") as caught:
        trace(only_the_device_knows, (torch.zeros(5),))
    assert caught.value.location is not None
    assert caught.value.location.file == __file__


@helion_ir.kernel(static_shapes=False, autotune_effort="none")
def nothing_to_do(x: torch.Tensor, mode: str = "double") -> torch.Tensor:
    if x.numel() == 0 or mode == "copy":
        return x.clone()
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t, :] = x[t, :] * 2
    return out


@pytest.mark.parametrize("shape", [(5, 4), (5, 0), (0, 4), (1, 1), (0, 0)])
def test_host_code_may_return_before_its_loops(shape: tuple[int, int]) -> None:
    x = torch.randn(shape)
    torch.testing.assert_close(nothing_to_do(x), x * 2)
    torch.testing.assert_close(nothing_to_do(x, "copy"), x)
    compile(helion_ir.compile(nothing_to_do, {}, (x, "copy")).source, "<emitted>", "exec")


@kernel
def apply(x: torch.Tensor, function: Callable[..., Any]) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = function(x[t])
    return out


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.where(x > 7, x >> 4, x & 15),
        lambda x: torch.clamp(x, 3, 100) // 2 + x % 7,
        lambda x: (x * 3) ^ 85,
        lambda x: torch.maximum(x, torch.full_like(x, 90)),
    ],
)
def test_constants_beside_narrow_integers(dtype: torch.dtype, function: Callable[..., Any]) -> None:
    x = torch.arange(-100, 100).to(dtype)
    torch.testing.assert_close(apply(x, function), function(x))
    compiled = helion_ir.compile(apply, {"block_sizes": [64]}, (x, function))
    compile(compiled.source, "<emitted>", "exec")


VIEWS: list[Callable[[torch.Tensor], torch.Tensor]] = [
    lambda v: v.permute(0, 1), lambda v: v.squeeze(), lambda v: v.squeeze(0), lambda v: v.view(v.shape),
    lambda v: v.expand(-1, -1), lambda v: v.expand_as(v), lambda v: v.contiguous(), lambda v: v.T.T,
    lambda v: v.flatten(0, 0), lambda v: v.transpose(0, 0), lambda v: v.detach(), lambda v: v.movedim(0, 0),
    lambda v: v.narrow(0, 0, v.size(0)), lambda v: torch.positive(v), lambda v: v.view(torch.float32),
]  # fmt: skip


@kernel
def blockwise(x: torch.Tensor, function: Callable[..., Any]) -> torch.Tensor:
    out = torch.empty_like(x)
    for t, u in hl.tile(x.size()):
        out[t, u] = function(x[t, u])
    return out


@pytest.mark.parametrize("view", VIEWS)
def test_views_that_change_nothing(view: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x = torch.randn(9, 17)
    torch.testing.assert_close(blockwise(x, view), x)


@pytest.mark.parametrize("policy", ["first", "last", "evict_first", "evict_last", "", None])
def test_spellings_of_an_eviction_policy(policy: str | None) -> None:
    def copy(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = hl.load(x, [t], eviction_policy=policy)
        return out

    x = torch.randn(100)
    compiled = helion_ir.compile(kernel(copy), {"block_sizes": [32]}, (x,))
    torch.testing.assert_close(compiled(x), x)
    wanted = f'eviction_policy="evict_{policy.removeprefix("evict_")}"' if policy else "tl.load(x + t_index, mask)"
    assert wanted in compiled.source


TABLE = {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0, -7: 5.0, 7: 6.0}


def _of_a_match(n: Any) -> int:
    match n:
        case -7 | 7:
            return 1
        case int():
            return 2
        case _:
            return 3


def _of_a_handler(n: int) -> float:
    try:
        return TABLE[n + 100]
    except Exception:
        return 9.0


@functools.lru_cache
def _remembered(n: int) -> int:
    return n + 1


TEXTS_AND_TYPES: list[Callable[[int, float, bool], Any]] = [
    lambda m, y, flag: isinstance(m, int) + 2 * isinstance(y, (float, str)) + 4 * isinstance(flag, bool),
    lambda m, y, flag: (
        (type(m) is int) + 2 * (type(y) in (float, str)) + 4 * (m.__class__ is int) + isinstance(flag, float)
    ),
    lambda m, y, flag: len(str(m)) + 10 * len(repr(y)) + 100 * len(f"{flag}{m:06d}{y:.3f}"),
    lambda m, y, flag: len("%s %d" % (y, m)) + len("{:>9}".format(m)) + len(",".join(map(str, [m, y, flag]))),  # noqa: UP031, UP032 - each spelling
    lambda m, y, flag: TABLE[m] + TABLE.get(m + 1, 9) + (m in TABLE) + 2 * (m in {7, 0}) + {m: 5}[m] + len({m, 7}),
    lambda m, y, flag: hash((m, 1)) == hash((m, 1)) and (y in {3.25}) + [10, 20][flag] + _remembered(m),
    lambda m, y, flag: [4, 5, 6, 7][m & 3] + [4, 5, 6, 7][abs(m) % 4] + TABLE[min(max(m, 0), 3)] + len(range(m ^ -7)),
    lambda m, y, flag: _of_a_match(m) + _of_a_handler(m) + max(m, 3, key=abs) + sum([m, flag]),
]
TRUTHS: list[Callable[[int, float, bool], Any]] = [
    lambda m, y, flag: (m ^ True) + (flag ^ m) + (m & flag) + (flag | m) + (flag ^ True),
    lambda m, y, flag: -flag + flag % 2 + flag**2 + (flag << 2) + flag / 2 + m // True + max(flag, m),
    lambda m, y, flag: (flag == 1) + (flag != 0) + (flag < m) + (m < flag) + (y < flag) + (flag < True) + (m == flag),
    lambda m, y, flag: (m > 0) + ((m > 0) & flag) * 2 + ((y > 1) ^ flag) * 4 + min(y, flag) + len(f"{not flag}"),
    lambda m, y, flag: round(y, 1) + pow(m, 2, 3) + y.is_integer() + m.real + math.ldexp(y, 2) + m.bit_length(),
]


@pytest.mark.parametrize("of", [*TEXTS_AND_TYPES, *TRUTHS])
def test_texts_types_keys_and_truth_values(of: Callable[..., Any]) -> None:
    x = torch.zeros(5)
    for arguments in ARGUMENTS:
        want = x + float(of(*arguments))
        torch.testing.assert_close(on_the_device(x, of, *arguments), want, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(on_the_host(x, of, *arguments), want, rtol=1e-5, atol=1e-5)


@kernel
def on_the_host(x: torch.Tensor, of: Callable[..., Any], m: int, y: float, flag: bool) -> torch.Tensor:
    number = of(m, y, flag)
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + number
    return out


@helion_ir.kernel(static_shapes=False, autotune_effort="none")
def text_of_a_size(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + (1 if isinstance(x.size(0), int) else 2) + len(f"{t.begin}")
    return out


def test_the_text_of_what_only_the_device_knows_is_refused() -> None:
    with pytest.raises(exc.ShapeSpecializingCall, match="only the device knows") as caught:
        text_of_a_size(torch.zeros(5))
    assert caught.value.location is not None


@kernel
def beside_doubles(x: torch.Tensor, a: float, n: int) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        b = a * 2.0 + n
        b = b * b / (b + 1.0)
        out[t] = torch.where(x[t] < a, x[t] + a, x[t] * a) + b / 3 + x[t].clamp(max=a)
    return out


@pytest.mark.parametrize("a", [0.1, 1e100, 1e-300, -2.3])
def test_a_float_has_the_precision_of_the_doubles_that_it_meets(a: float) -> None:
    x, n = torch.tensor([0.0, 0.3, -5.0], dtype=torch.float64), 16777217
    b = (a * 2.0 + n) ** 2 / (a * 2.0 + n + 1.0)
    want = torch.where(x < a, x + a, x * a) + b / 3 + x.clamp(max=a)
    torch.testing.assert_close(beside_doubles(x, a, n), want, rtol=1e-14, atol=0)
    helion_ir.compile(beside_doubles, {"block_sizes": [4]}, (x, a, n)).binary("sm_90")
