"""What Python may know of a config: values of tunables, and how block sizes compare; a trace for each answer."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc
from helion_ir.autotuner import BooleanFragment, EnumFragment, IntegerFragment, PowerOfTwoFragment


@helion.kernel()
def split_k(x: Tensor, y: Tensor) -> Tensor:
    """The count of parts shapes the blocks, the stores, and is a number in host code."""
    (m, k), n = x.shape, y.size(1)
    parts = hl.register_tunable("split_k", PowerOfTwoFragment(1, 16))
    block = helion.next_power_of_2(helion.cdiv(k, parts))
    out = torch.zeros([m, n], device=x.device)
    for tm, tn, tk in hl.tile([m, n, k], block_size=[None, None, block]):
        acc = hl.zeros([tm, tn])
        for ti in hl.tile(tk.begin, tk.end):
            acc = torch.addmm(acc, x[tm, ti], y[ti, tn])
        if parts == 1:
            out[tm, tn] = acc
        else:
            hl.atomic_add(out, [tm, tn], acc)
    return out


@helion.kernel(static_shapes=False)
def several(x: Tensor, bias: float) -> tuple[Tensor, int]:
    """All fragments: a list's length, a function's name, a float, a branch in device code."""
    terms = hl.register_tunable("terms", IntegerFragment(1, 5, 2))
    name = hl.register_tunable("activation", EnumFragment(("relu", "exp", "tanh")))
    scale = hl.register_tunable("scale", EnumFragment((0.5, 2.0)))
    negate = hl.register_tunable("negate", BooleanFragment())
    out = x.new_empty([terms, x.size(0)])
    for t in hl.tile(x.size(0)):
        value = getattr(torch, name)(x[t]) * scale + bias
        for i in range(terms):
            out[i, t] = -value * i if negate else value * i
    return out, terms * 2


def test_split_k() -> None:
    x, y = torch.randn(33, 100), torch.randn(100, 17)
    bound = split_k.bind((x, y))
    assert bound.config_spec.user_defined_tunables["split_k"].candidates() == [1, 2, 4, 8, 16]
    assert bound.config_spec.default_config()["split_k"] == 1
    for config in ({}, {"split_k": 4}, {"split_k": 8, "block_sizes": [16, 16, 16]}, {"split_k": [2]}):
        compiled = helion.compile(split_k, config, (x, y))
        torch.testing.assert_close(compiled(x, y), x @ y, atol=1e-3, rtol=1e-3)
        assert ("atomic_add" in compiled.source) is (compiled.config["split_k"] != 1)
        compiled.binary("sm_90")
    with pytest.raises(exc.InvalidConfig, match="split_k: 3 is not legal, expected a power of two from 1"):
        helion.compile(split_k, {"split_k": 3}, (x, y))
    with pytest.raises(exc.InvalidConfig, match="splits: unknown config key"):
        helion.compile(split_k, {"splits": 2}, (x, y))


@pytest.mark.parametrize("level", ["tile", "tl"])
def test_every_fragment(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    x = torch.randn(37)
    for terms, name, scale, negate in ((2, "relu", 0.5, False), (3, "exp", 2.0, True), (1, "tanh", 0.5, True)):
        config = helion.Config(terms=terms, activation=name, scale=scale, negate=negate, block_size=16)
        out, twice = helion.compile(several, config, (x, 1.5))(x, 1.5)
        value = (getattr(torch, name)(x) * scale + 1.5) * (-1 if negate else 1)
        torch.testing.assert_close(out, value * torch.arange(terms)[:, None])
        assert twice == 2 * terms


def test_configs_of_the_search_compile() -> None:
    """Any legal config is right, whatever sites another value of a tunable has."""
    from random import Random  # noqa: PLC0415

    x, y = torch.randn(20, 40), torch.randn(40, 12)
    spec, rng = split_k.bind((x, y)).config_spec, Random(3)
    for _ in range(12):
        config = spec.random(rng)
        torch.testing.assert_close(helion.compile(split_k, config, (x, y))(x, y), x @ y, atol=1e-3, rtol=1e-3)


@helion.kernel()
def branches(x: Tensor) -> Tensor:
    """1, or 2 or 3, by how the block sizes compare."""
    m, n = x.shape
    bm, bn = hl.register_block_size(m), hl.register_block_size(n)
    out = torch.empty_like(x)
    if bm == bn:
        for tm, tn in hl.tile([m, n], block_size=[bm, bn]):
            out[tm, tn] = x[tm, tn] + 1
    else:
        for tm, tn in hl.tile([m, n], block_size=[bm, bn]):
            value = x[tm, tn]
            if 2 * tm.block_size > 32:
                out[tm, tn] = (value + 3)[:, :, None].squeeze(2)
            else:
                out[tm, tn] = value + 2
    return out


def test_block_sizes_that_are_compared() -> None:
    x = torch.zeros(33, 70)
    for sizes, result in (([16, 16], 1), ([16, 8], 2), ([32, 8], 3), ([64, 64], 1), ([32, 16], 3), ([8, 32], 2)):
        compiled = helion.compile(branches, {"block_sizes": sizes}, (x,))
        assert torch.equal(compiled(x), torch.full_like(x, result)), sizes
        assert "if " not in compiled.source.split("def branches")[0]
    assert len(list(branches.bind((x,))._variants)) == 3
    default = helion.compile(branches, {}, (x,))
    bm, bn = default.config["block_sizes"]
    assert torch.equal(default(x), torch.full_like(x, 1 if bm == bn else 3 if bm > 16 else 2))
    assert branches.bind((x,)).variant({}) is branches.bind((x,))


def test_a_block_size_as_a_number() -> None:
    def powers(x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            value = x[t]
            for _ in range(int(t.block_size) // 8):
                value = value * 2
            out[t] = value
        return out

    x = torch.randn(50)
    for size in (8, 16, 32):
        assert torch.equal(helion.compile(helion.kernel(powers), {"block_size": size}, (x,))(x), x * 2 ** (size // 8))


def test_traces_made_later_see_the_same_arguments() -> None:
    """What is not aligned, or one tensor given twice, is so in a trace for another config as well."""

    def shifted(x: Tensor, y: Tensor) -> Tensor:
        copies = hl.register_tunable("copies", IntegerFragment(1, 3))
        for t in hl.tile(x.size(0)):
            y[t] = x[t] + copies
        return y

    base = torch.arange(65.0)
    kernel = helion.kernel(shifted)
    bound = kernel.bind((base[1:], base[1:]))
    module = str(bound.variant({"copies": 3}).tile_module)
    assert "align 4" in module
    assert "memory" in module
    gc.collect()
    assert torch.equal(helion.compile(kernel, {"copies": 3}, (base[1:], base[1:]))(base[1:], base[1:]), base[1:])
    assert base[5] == 8


def test_an_argument_that_only_one_value_asks_about() -> None:
    def repeated(x: Tensor, flag: bool) -> Tensor:
        mode = hl.register_tunable("mode", EnumFragment(("plain", "flagged")))
        out = torch.empty_like(x)
        if mode == "flagged" and flag:
            out = out.fill_(0)
        for t in hl.tile(x.size(0)):
            out[t] = x[t] + len([1] * (3 if mode == "flagged" and hl.constexpr(flag) else 1))
        return out

    kernel, x = helion.kernel(repeated, config=helion.Config(mode="flagged")), torch.zeros(9)
    assert [kernel(x, flag)[0].item() for flag in (True, False, True)] == [3, 1, 3]


def _refused(register: Any) -> exc.Base:
    def kernel(x: Tensor, register: Any) -> Tensor:
        register(x)
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = x[t]
        return out

    with pytest.raises(exc.Base) as caught:
        helion.kernel(kernel, static_shapes=False).bind((torch.empty(33), register))
    assert caught.value.location is not None
    return caught.value


@pytest.mark.parametrize(
    ("register", "error", "words"),
    [
        (lambda x: hl.register_tunable(3, BooleanFragment()), exc.RegisterTunableArgTypes, "is a string"),
        (lambda x: hl.register_tunable("a", 3), exc.RegisterTunableArgTypes, "takes a fragment, got int"),
        (lambda x: hl.register_tunable("num_warps", BooleanFragment()), exc.TunableNameConflict, "a config key"),
        (lambda x: [hl.register_tunable("a", BooleanFragment()) for _ in "12"], exc.TunableNameConflict, "twice"),
        (lambda x: hl.register_tunable("a", EnumFragment(((1, 2), (3,)))), exc.TunableTypeNotSupported, "a tuple"),
        (lambda x: hl.register_tunable("a", IntegerFragment(1, x.size(0))), exc.ConfigSpecFragmentWithSymInt, "known"),
    ],
)
def test_refusals(register: Any, error: type[exc.Base], words: str) -> None:
    raised = _refused(register)
    assert type(raised) is error
    assert words in str(raised)


def test_tunables_are_of_the_host() -> None:
    @helion.kernel()
    def inside(x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = x[t] * hl.register_tunable("a", IntegerFragment(1, 3))
        return out

    with pytest.raises(exc.NotAllowedOnDevice, match=r"register_tunable is host code"):
        inside.bind((torch.empty(3),))


def test_data_that_the_host_reads() -> None:
    """Another trace knows what the first one read: the tensors may be gone."""

    @helion.kernel()
    def times_largest(x: Tensor, counts: Tensor) -> Tensor:
        extra = hl.register_tunable("extra", IntegerFragment(0, 3))
        largest = int(counts.max())
        if counts.sum().item() <= 5:
            extra = 0
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = x[t] * largest + extra
        return out

    x, counts = torch.randn(33), torch.tensor([1, 7, 3])
    bound = times_largest.bind((x, counts))
    result = bound.compile_config({"extra": 2})(x, counts)
    torch.testing.assert_close(result, x * 7 + 2)
