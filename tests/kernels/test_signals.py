"""`hl.signal` and `hl.wait`: slots that other threads, kernels and ranks change; what they order is never moved."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.testing import assert_close

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc
from helion_ir.interpreter import MeetingTimeoutError, peers

kernel = helion.kernel(autotune_effort="none")
LEVELS = pytest.mark.parametrize("level", ["tile", "tl"])
N = 21


@kernel
def consume(pad: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        hl.wait(pad, [t], signal=1, update=3)
        out[t] = x[t] * 2
    return out


@kernel
def consume_one_by_one(pad: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for i in hl.grid(x.size(0)):
        hl.wait(pad, [i])
        out[i] = x[i] * 2
    return out


@kernel
def produce(pad: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    held = torch.empty_like(pad)
    for t in hl.tile(x.size(0)):
        x[t] = x[t] + 1
        held[t] = hl.signal(pad, [t], signal=1, op="atomic_add")
    return held


@kernel
def produce_in_turn(pads: tuple[torch.Tensor, ...], x: torch.Tensor) -> None:
    for i in hl.grid(x.size(0)):
        x[i] = x[i] + 1
        hl.signal(pads, [i], signal=1, wait_for=7, op="atomic_cas")


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return, each in a thread of its own, begun in this order."""
    results: list[Any] = [None] * len(calls)

    def run(number: int) -> None:
        results[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@LEVELS
@pytest.mark.parametrize("consumer", [consume, consume_one_by_one])
def test_a_consumer_waits_for_its_producer(level: str, consumer: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    x, pad = torch.randn(N), torch.zeros(N, dtype=torch.int32)
    before = x.clone()
    compiled = helion.compile(consumer, {"block_sizes": [8]} if consumer is consume else {}, (pad, x))
    producer = helion.compile(produce, {"block_sizes": [4]}, (pad, x))
    out, held = in_threads(lambda: compiled(pad, x), lambda: producer(pad, x))
    assert_close(out, 2 * (before + 1))
    assert_close(held, torch.zeros(N, dtype=torch.int32))
    assert set(pad.tolist()) == {3 if consumer is consume else 1}


@LEVELS
def test_each_of_a_tuple_is_signalled(level: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    x, pads = torch.zeros(N), tuple(torch.full((N,), 7, dtype=torch.int32) for _ in range(3))
    produce_in_turn(pads, x)
    assert all(pad.tolist() == [1] * N for pad in pads)


def test_nobody_signals(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peers, "TIMEOUT_SECONDS", 0.05)
    with pytest.raises(MeetingTimeoutError, match=r"waits for \[1\] in elements \[0\], which hold \[0\]"):
        consume_one_by_one(torch.zeros(N, dtype=torch.int32), torch.randn(N))


def test_eager_kernels_run_one_after_the_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HELION_INTERPRET", "1")
    x, pad = torch.zeros(N), torch.zeros(N, dtype=torch.int32)
    with pytest.raises(exc.InvalidAPIUsage, match="nobody can signal"):
        helion.kernel(consume.fn)(pad, x)
    assert_close(helion.kernel(produce.fn)(pad, x), torch.zeros(N, dtype=torch.int32))
    assert_close(helion.kernel(consume.fn)(pad, x), torch.full((N,), 2.0))
    assert pad.tolist() == [3] * N
    pads = (torch.full((N,), 7), torch.full((N,), 7))
    helion.kernel(produce_in_turn.fn)(pads, x)
    assert all(pad.tolist() == [1] * N for pad in pads)


def test_the_order_in_the_emitted_text():
    """What threads of a program did before a release, and do after an acquire, is on that side of it for all."""
    x, pad = torch.randn(N), torch.ones(N, dtype=torch.int32)

    def steps(k: Any, *args: Any) -> list[str]:
        source = helion.compile(k, {}, args).source.partition(f"def _{k.fn.__name__}(")[2]
        return re.findall(r"tl\.load|tl\.store|debug_barrier|_wait_for|tl\.atomic_add", source)

    waits = ["_wait_for", "debug_barrier", "tl.load", "tl.store"]
    assert steps(consume_one_by_one, pad, x)[:4] == waits
    assert steps(consume, pad, x)[:4] == ["_wait_for", *waits[1:]]
    assert steps(produce, pad, x)[:4] == ["tl.load", "tl.store", "debug_barrier", "tl.atomic_add"]


def test_ordered_atomics_order_all_memory():
    """A counter that tells others that a tile is there: without a barrier, one thread would release for itself."""

    @kernel
    def publish(x: torch.Tensor, count: torch.Tensor, sem: hl.constexpr) -> torch.Tensor:  # pyright: ignore[reportInvalidTypeForm]
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = x[t] * 2
            hl.atomic_add(count, [0], 1, sem=sem)
        return out

    args = torch.randn(N), torch.zeros(1, dtype=torch.int32)
    assert "debug_barrier" in helion.compile(publish, {}, (*args, "release")).source
    assert "debug_barrier" not in helion.compile(publish, {}, (*args, "relaxed")).source


@pytest.mark.parametrize("target", ["sm_90", "gfx942"])
def test_binaries(target: str):
    x, pad = torch.randn(N), torch.ones(N, dtype=torch.int32)
    for k, args in ((consume, (pad, x)), (produce, (pad, x)), (produce_in_turn, ((pad, pad.clone()), x))):
        text = helion.compile(k, {}, args).binary(target).asm["ptx" if target == "sm_90" else "amdgcn"]
        assert "sys" in text if target == "sm_90" else "atomic" in text


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda pad, t: hl.signal(pad, [t], op="atomic_mul"), "unknown op"),
        (lambda pad, t: hl.signal(pad, [t], op="atomic_cas"), "go together"),
        (lambda pad, t: hl.signal(pad, [t], wait_for=1, op="atomic_add"), "go together"),
        (lambda pad, t: hl.wait(pad, [t], scope="world"), "unknown scope"),
        (lambda pad, t: hl.wait(pad, [t], sem="seq_cst"), "unknown memory semantics"),
        (lambda pad, t: hl.wait(pad[t], [0]), "lie in a host tensor"),
        (lambda pad, t: hl.wait(3, [0]), "lie in a host tensor"),
    ],
)
def test_mistakes(call: Callable[..., Any], says: str):
    @kernel
    def mistaken(pad: torch.Tensor) -> None:
        for t in hl.tile(pad.size(0)):
            call(pad, t)
            pad[t] = 0

    with pytest.raises(exc.InvalidAPIUsage, match=says):
        mistaken.bind((torch.zeros(8, dtype=torch.int32),))
