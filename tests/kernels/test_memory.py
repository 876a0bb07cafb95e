"""Memory that several names share: views made in host code, arguments that overlap, elements of tuples, opaque text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc
from helion_ir.specialization.overlap import DISJOINT, PARTIAL, SAME, overlap

kernel = helion.kernel(autotune_effort="none")


def run(k, config, *args):
    compiled = helion.compile(k, config, args)
    compile(compiled.source, "<emitted>", "exec")
    return compiled(*args)


# Views made in host code


def softmax_through(view: Callable[[torch.Tensor], torch.Tensor], static: bool = True):
    @helion.kernel(autotune_effort="none", static_shapes=static)
    def softmax(x: torch.Tensor) -> torch.Tensor:
        shifted = view(x)
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            row = x[t, :]
            shifted[t, :] = row - row.amax(-1, keepdim=True)
            out[t, :] = row.exp() / row.exp().sum(-1, keepdim=True)
        return out

    return softmax


VIEWS = [
    lambda x: x.view(x.size(0), x.size(1)), lambda x: x.reshape(x.shape), lambda x: x.detach(),
    lambda x: x.transpose(0, 1).transpose(0, 1), lambda x: x.data,
]  # fmt: skip
STATIC_VIEWS = [
    lambda x: x.T.T, lambda x: x[:], lambda x: x.unsqueeze(0)[0], lambda x: x.contiguous(),
    lambda x: x.unflatten(0, (1, -1)).flatten(0, 1),
]  # fmt: skip


@pytest.mark.parametrize(("view", "static"), [*((v, True) for v in VIEWS + STATIC_VIEWS), *((v, False) for v in VIEWS)])
def test_views(view: Callable[[torch.Tensor], torch.Tensor], static: bool):
    """The one load of a row serves all that is computed of it, rolled or not: the write comes after it."""
    first = torch.randn(8, 128)
    k = softmax_through(view, static)
    for chunk in (None, 32):
        x = first.clone()
        config = {"block_sizes": [4]}
        if len(k.bind((x,)).config_spec.reduction_loops):
            config["reduction_loops"] = [chunk]
        assert_close(run(k, config, x), first.softmax(-1))
        assert_close(x, first - first.amax(-1, keepdim=True))


def barriers(source: str) -> int:
    return source.count("tl.debug_barrier()")


PARTS = {
    "slice": lambda x: (x[1:], x[:-1]),
    "split": lambda x: (x.split(4)[0], x.chunk(2)[0]),
    "unbind": lambda x: (x.view(2, 4).unbind(0)[0], x[:4]),
    "as_strided": lambda x: (x, x.as_strided((4,), (2,))),
    "flip of axes": lambda x: (x.view(2, 4)[0], x.view(2, 4).T[:, 0]),
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_what_one_view_stores_another_loads(parts: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]):
    @kernel
    def shift(x: torch.Tensor) -> torch.Tensor:
        one, other = parts(x)
        out = torch.empty([4], dtype=x.dtype, device=x.device)
        for _ in hl.grid(1):
            one[0:4] = one[0:4] * 2
            out[:] = other[0:4]
        return out

    x = torch.randn(8)
    want = x.clone()
    one, other = parts(want)
    one[0:4] *= 2
    compiled = helion.compile(shift, {}, (x,))
    assert barriers(compiled.source) == 1
    assert_close(compiled(x), other[0:4])


def test_what_is_fresh_needs_no_barrier():
    @kernel
    def copies(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        one, other = x.clone(), torch.zeros_like(x)
        for t in hl.tile(x.size(0)):
            one[t] = x[t] * 2
            other[t] = x[t] + 1
        return one, other

    x = torch.randn(20)
    compiled = helion.compile(copies, {"block_sizes": [16]}, (x,))
    assert not barriers(compiled.source)
    assert compiled.bound.traced.guards == ()
    assert_close(compiled(x), (x * 2, x + 1))


def test_memory_that_is_read_and_written_goes_by_pointers():
    @kernel
    def update(x: torch.Tensor) -> torch.Tensor:
        same = x.view(x.shape)
        for a, b in hl.tile(x.size()):
            same[a, b] = x[a, b] + 1
        return x

    x = torch.randn(64, 64)
    compiled = helion.compile(update, {"block_sizes": [16, 16], "indexing": "tensor_descriptor"}, (x.clone(),))
    assert "descriptor" not in compiled.source
    assert_close(compiled(x.clone()), x + 1)


def test_a_store_into_an_expanded_tensor_is_refused():
    @kernel
    def fill(x: torch.Tensor) -> torch.Tensor:
        wide = x[:1].expand(x.size(0))
        for t in hl.tile(x.size(0)):
            wide[t] = x[t]
        return wide

    with pytest.raises(exc.InvalidAssignment, match=r"one place in memory[\s\S]*test_memory.py"):
        fill(torch.randn(5))
    with pytest.raises(exc.InvalidAssignment, match="one place in memory"):
        helion.kernel(_negate, autotune_effort="none")(torch.randn(1, 5).expand(3, 5))


def _negate(x: torch.Tensor) -> torch.Tensor:
    for a, b in hl.tile(x.size()):
        x[a, b] = -x[a, b]
    return x


# Arguments that overlap


@pytest.mark.parametrize("static", [True, False])
def test_one_tensor_given_twice(static: bool):
    @helion.kernel(autotune_effort="none", static_shapes=static)
    def normalize(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        for t in hl.tile(x.size(0)):
            row = x[t, :]
            out[t, :] = row - row.amax(-1, keepdim=True)
            out[t, :] = out[t, :] + row
        return out

    first = torch.randn(6, 40)
    want = 2 * first - first.amax(-1, keepdim=True)
    x = first.clone()
    assert_close(normalize(first, torch.empty(6, 40)), want)
    assert_close(normalize(x, x), want)
    assert_close(normalize(first, torch.empty(6, 40)), want)
    assert normalize.bind((x, x)) is not normalize.bind((x, torch.empty(6, 40)))


def test_arguments_that_overlap_in_part_are_refused():
    @kernel
    def add_next(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        for t in hl.tile(x.size(0)):
            x[t] = x[t] + y[t]
        return x

    x = torch.randn(21)
    assert_close(add_next(x[:10].clone(), x[10:20]), x[:10] + x[10:20])
    with pytest.raises(exc.InvalidAPIUsage, match=r"partly in the same memory[\s\S]*test_memory.py"):
        add_next(x[:20], x[1:])
    want = x[:10] + x[10:20]
    assert_close(add_next(x[:10], x[10:20]), want)
    pairs = torch.randn(10, 2)
    want = pairs.sum(-1)
    assert_close(add_next(pairs[:, 0], pairs[:, 1]), want)
    twice = torch.randn(9)
    assert_close(add_next(twice, twice), twice)
    assert add_next(torch.ones(4), torch.ones(4)).tolist() == [2] * 4


def test_iterations_that_use_what_others_write_are_refused():
    @kernel
    def reverse(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        n = x.size(0)
        for t in hl.tile(n):
            out[t] = x[n - 1 - t.index]
        return out

    x = torch.randn(12)
    assert_close(reverse(x, torch.empty(12)), x.flip(0))
    with pytest.raises(exc.InvalidAPIUsage, match=r"are the same tensor[\s\S]*test_memory.py"):
        reverse(x, x)


def test_elements_of_tuples_and_arguments():
    @kernel
    def accumulate(parts: tuple[torch.Tensor, torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        for t in hl.tile(out.size(0)):
            out[t] = parts[0][t] * 2
            out[t] = out[t] + parts[1][t]
        return out

    x, y = torch.randn(10), torch.randn(10)
    assert_close(accumulate((x, y), torch.empty(10)), 2 * x + y)
    out = y.clone()
    assert_close(accumulate((x, out), out), 4 * x)
    assert_close(accumulate((x, y), torch.empty(10)), 2 * x + y)


def test_elements_of_one_tuple_that_are_one_tensor():
    @kernel
    def running(xs: list[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        for t in hl.tile(out.size(0)):
            acc = hl.zeros([t])
            for i in hl.static_range(3):
                acc = acc + xs[i][t]
                xs[i][t] = acc
            out[t] = acc
        return out

    a, b = torch.randn(9), torch.randn(9)
    twice = a.clone()
    assert_close(running([twice, twice, b.clone()], torch.empty(9)), 2 * a + b)
    assert_close(running([a.clone(), b.clone(), b.clone()], torch.empty(9)), a + 2 * b)


def test_overlap():
    x = torch.empty(6, 8)
    assert overlap(x, torch.empty(6, 8)) == DISJOINT
    assert overlap(x, x.view(6, 8)) == SAME
    assert overlap(x, x.view(-1)) == overlap(x, x.T) == overlap(x[1:], x[:-1]) == PARTIAL
    assert overlap(x[:3], x[3:]) == overlap(x[:, :4], x[:, 4:]) == overlap(x[::2], x[1::2]) == DISJOINT
    assert overlap(x[:, ::2], x[:, 1::2]) == overlap(x[0], x[:, 0][1:]) == DISJOINT
    assert overlap(x[0], x[:, 3]) == overlap(x[:, 1:3], x[:, 2:5]) == PARTIAL
    assert overlap(x[0].expand(3, 8), x[0]) == PARTIAL
    assert overlap(x[:0], x) == overlap(helion.TensorSpec([6, 8]), x) == DISJOINT
    assert overlap(x.view(torch.int32)[0], x[0]) == PARTIAL


# Top-level loops


def two_loops(
    first: Callable[..., None],
    second: Callable[..., None],
    view: Callable[..., torch.Tensor] = torch.detach,
    *,
    auto: bool = True,
):
    @helion.kernel(autotune_effort="none", auto_barrier=auto)
    def two(x: torch.Tensor) -> torch.Tensor:
        n = x.size(0)
        buffer, out = torch.empty_like(x), torch.empty_like(x)
        other = view(buffer)
        for t in hl.tile(n):
            first(x, buffer, t)
        for u in hl.tile(n):
            second(other, out, u)
        return out

    return two


def _store_text(x, buffer, t):
    hl.inline_triton("tl.store({0} + {1}, {2})", args=(buffer, t.index, x[t] * 2), output_like=None)


def _store(x, buffer, t):
    buffer[t] = x[t]


def _count(x, buffer, t):
    hl.atomic_add(buffer, [0], x[t].sum())


def _load(buffer, out, u):
    out[u] = buffer[u]


def _load_text(buffer, out, u):
    out[u] = hl.inline_triton("tl.load({0} + {1})", args=(buffer, u.index), output_like=out[u])


def _count_too(buffer, out, u):
    hl.atomic_add(buffer, [0], 1.0)
    out[u] = 1.0


@pytest.mark.parametrize(
    "loops",
    [
        (_store_text, _load), (_store, _load), (_store, _load_text), (_store_text, _load_text), (_count, _load),
        (_store, _load, lambda x: x.view(-1)), (_store_text, _load, lambda x: x[1:]), (_store, _count_too),
    ],
)  # fmt: skip
def test_a_later_loop_that_depends_on_an_earlier_one_needs_a_barrier(loops):
    x = torch.randn(64)
    assert "_grid_barrier(barrier_state)" in helion.compile(two_loops(*loops), {}, (x,)).source
    with pytest.raises(exc.LoopDependencyError, match=r"buffer|other") as caught:
        two_loops(*loops, auto=False).bind((x,))
    text = str(caught.value)
    assert "for u in hl.tile(n)" in text
    assert "(line " in text
    assert "hint" in text


def test_loops_that_do_not_depend_on_each_other():
    def reads_x(other, out, u):
        out[u] = u.index.to(torch.float32)

    x = torch.randn(64)
    assert_close(two_loops(_store, reads_x)(x), torch.arange(64.0))
    assert_close(two_loops(_count, _count_too)(x), torch.ones(64))

    @kernel
    def halves(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty([2, x.size(0)], dtype=x.dtype, device=x.device)
        for t in hl.tile(x.size(0)):
            out[0, t] = x[t]
        for u in hl.tile(x.size(0)):
            out[1, u] = x[u] * 2
        return out

    assert_close(halves(x), torch.stack([x, x * 2]))
    assert "barrier" not in helion.compile(halves, {}, (x,)).source


def test_an_iteration_reads_what_the_one_before_stored():
    """The store of one iteration comes before the load of the next one."""

    @kernel
    def prefix(x: torch.Tensor) -> torch.Tensor:
        same = x.view(x.shape)
        for _ in hl.grid(1):
            for i in hl.grid(1, x.size(0)):
                x[i, :] = x[i, :] + same[i - 1, :]
        return x

    x = torch.randn(6, 16)
    compiled = helion.compile(prefix, {}, (x.clone(),))
    assert barriers(compiled.source)
    assert_close(compiled(x.clone()), x.cumsum(0))


def test_a_base_that_is_not_aligned_has_no_descriptor():
    @kernel
    def copy(x: torch.Tensor, tail: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out, rest = torch.empty_like(x), torch.empty_like(tail)
        shifted = tail.view(8, 17)[:, 1:]
        for a, b in hl.tile(x.size()):
            out[a, b] = x[a, b]
            rest[0] = shifted[a, b].sum()
        return out, rest

    base = torch.arange(1 + 8 * 16, dtype=torch.float32)
    config = {"block_sizes": [8, 16], "indexing": "tensor_descriptor"}
    for x, times in ((base[1:].view(8, 16), 0), (base[:-1].view(8, 16), 1)):
        source = helion.compile(copy, config, (x, torch.randn(8 * 17))).source
        assert source.count("make_tensor_descriptor(x,") == times
        assert "make_tensor_descriptor(shifted," not in source


# Fresh tensors of dynamic shapes


def _doubled(make: Callable[[torch.Tensor], torch.Tensor], view: Callable[[torch.Tensor], torch.Tensor]):
    @helion.kernel(static_shapes=False, autotune_effort="none")
    def double(x: torch.Tensor) -> torch.Tensor:
        y = view(x)
        out = make(y)
        for a, b in hl.tile([y.size(0), y.size(1)]):
            out[a, b, :] = y[a, b, :] * 2
        return out

    return double


@pytest.mark.parametrize("make", [torch.empty_like, torch.zeros_like, torch.clone], ids=lambda make: make.__name__)
@pytest.mark.parametrize("first", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_a_fresh_tensor_has_the_order_of_its_operand(make: Callable[..., torch.Tensor], first: tuple[int, ...]):
    k = _doubled(make, torch.detach)
    base = torch.randn(3, 4, 5)
    for x in (base.permute(first), base, base.permute(1, 0, 2), torch.randn(1, 4, 5), torch.randn(3, 1, 5)):
        assert_close(k(x), x * 2)


def test_a_fresh_tensor_of_a_transposed_slice():
    k = _doubled(torch.empty_like, lambda x: x[1:].transpose(0, 1))
    for x in (torch.randn(4, 6, 3), torch.randn(6, 4, 3).transpose(0, 1), torch.randn(2, 1, 3)):
        assert_close(k(x), x[1:].transpose(0, 1) * 2)


def test_a_reshape_that_is_a_view_in_one_call_and_a_copy_in_another():
    @helion.kernel(static_shapes=False, autotune_effort="none")
    def shift(x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1)
        out = torch.empty_like(flat)
        for _ in hl.grid(1):
            x[0, :] = x[0, :] * 2
            out[:] = flat[:]
        return out

    for x in (torch.randn(4, 8)[:, :6], torch.randn(4, 6)):
        want = x.clone()
        flat = want.reshape(-1) if x.is_contiguous() else want.reshape(-1).clone()
        want[0] *= 2
        assert_close(shift(x), flat)
        assert "debug_barrier" in shift.bind((x,)).to_triton_code()
