"""Offsets, positions and program numbers that 31 bits cannot hold."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import TensorSpec, exc

kernel = helion.kernel(autotune_effort="none")


@kernel
def double(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    for a, b in hl.tile(x.size()):
        out[a, b] = x[a, b] * 2
    return out


@kernel
def first_column(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
    for a in hl.tile(x.size(0)):
        out[a] = x[a, 0]
    return out


@kernel
def gather(x: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    out = torch.empty([where.size(0), x.size(1)], dtype=x.dtype, device=x.device)
    for a in hl.tile(where.size(0)):
        out[a, :] = x[where[a], :]
    return out


@kernel
def count(x: torch.Tensor) -> torch.Tensor:
    for a, b in hl.tile([x.size(0), 4]):
        hl.atomic_add(x, [a, b], 1)
    return x


@kernel
def flat(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    source, target = x.view(-1), out.view(-1)
    for t in hl.tile(source.size(0)):
        target[t] = source[t] + source[t + 1]
    return out


def source_of(k, config, *args) -> str:
    compiled = helion.compile(k, config, args)
    compile(compiled.source, "<emitted>", "exec")
    return compiled.source


def test_only_refs_that_need_it_have_wide_offsets():
    source = source_of(first_column, {"block_sizes": [64]}, TensorSpec([2**17, 2**15], torch.int8))
    assert "a_index.to(tl.int64) * 32768" in source
    assert "tl.store(out + a_index, " in source
    assert "int64" not in source_of(first_column, {"block_sizes": [64]}, TensorSpec([2**16, 2**14], torch.int8))


@pytest.mark.parametrize("strides", [(2**28, 1), (1, 2**28)])
def test_strides_count(strides: tuple[int, int]):
    spec = TensorSpec([16, 16], torch.int8, strides=strides)
    compiled = helion.compile(double, {"block_sizes": [8, 8]}, (spec,))
    assert "int64" in compiled.source
    compiled.binary("sm_90")


@pytest.mark.parametrize("config", [
    {"block_sizes": [64, 64]}, {"block_sizes": [1, 1], "pid_type": "persistent_interleaved"},
    {"block_sizes": [16, 1], "pid_type": "persistent_blocked", "l2_groupings": [4]},
])  # fmt: skip
def test_program_numbers(config: dict[str, object]):
    """2^32 programs of one element are walked by few; their numbers take 64 bits."""
    compiled = helion.compile(double, config, (TensorSpec([2**16, 2**16], torch.float16),))
    compiled.binary("sm_90")
    assert "tl.cast(tl.program_id(0), tl.int64)" in compiled.source or "v_2 = tl.cast(pid, tl.int64)" in compiled.source


def test_positions():
    compiled = helion.compile(flat, {"block_sizes": [1024]}, (TensorSpec([2**16, 2**16], torch.int8),))
    compiled.binary("sm_90")
    assert "tl.arange(0, _BLOCK_SIZE_0).to(tl.int64)" in compiled.source


def far(rows: int, columns: int, row: int) -> torch.Tensor:
    """A tensor whose rows lie far apart; pages that nobody touches take no memory."""
    memory = torch.empty((rows - 1) * row + columns, dtype=torch.int8)
    result = memory.as_strided((rows, columns), (row, 1))
    return result.copy_(torch.randint(-50, 50, (rows, columns), dtype=torch.int8))


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("row", [2**30, 2**31 - 7])
def test_results_of_far_elements(row: int, static: bool):
    def run(k, config, *args):
        return helion.compile(helion.kernel(k.fn, static_shapes=static, autotune_effort="none"), config, args)(*args)

    x = far(4, 5, row)
    assert_close(run(double, {"block_sizes": [2, 4]}, x), x * 2)
    assert_close(run(first_column, {"block_sizes": [1]}, x), x[:, 0].clone())
    where = torch.tensor([3, 0, 2])
    assert_close(run(gather, {"block_sizes": [2]}, x, where), x[where])


def test_atomics_of_far_elements():
    memory = torch.empty(3 * 2**29 + 4, dtype=torch.int32)
    x = memory.as_strided((4, 4), (2**29, 1)).zero_()
    helion.compile(count, {"block_sizes": [2, 4]}, (x,))(x)
    assert_close(x.clone(), torch.ones(4, 4, dtype=torch.int32))


def test_dynamic_sizes_are_asked_at_each_call():
    k = helion.kernel(double.fn, static_shapes=False, autotune_effort="none")
    near, distant = torch.randint(-9, 9, (4, 5), dtype=torch.int8), far(3, 5, 2**30)
    for x in (near, distant, near):
        assert_close(k(x), x * 2)
    assert len({id(k.bind((x,))) for x in (near, distant)}) == 2


def test_a_stride_that_31_bits_cannot_hold():
    """A stride is a parameter as wide as the offsets; that of a dimension of size 1 may be anything."""
    memory = torch.empty(2**31 + 64, dtype=torch.int8)
    for static in (True, False):
        k = helion.kernel(first_column.fn, static_shapes=static, autotune_effort="none")
        for shape, stride in [((9, 2), 2**28 + 7), ((2, 2), 2**31 + 16), ((1, 2), 2**33), ((4, 2), 2)]:
            x = memory.as_strided(shape, (stride, 1))
            x.copy_(torch.randint(-9, 9, shape, dtype=torch.int8))
            assert_close(k(x), x[:, 0].clone())
    assert "x_stride_0: tl.int64" in k.bind((memory.as_strided((2, 2), (2**31, 1)),)).to_triton_code(
        {"block_sizes": [8]}
    )


def test_a_number_of_elements_as_a_value():
    @kernel
    def mean(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty([x.size(0)], dtype=torch.float32, device=x.device)
        for a in hl.tile(x.size(0)):
            out[a] = x[a, 0].to(torch.float32) / x.numel()
        return out

    x = far(2, 1, 2**30).expand(2, 2**31)
    for static in (True, False):
        k = helion.kernel(mean.fn, static_shapes=static, autotune_effort="none")
        assert_close(k(x), x[:, 0].float() / 2**32)


def test_an_index_type_that_the_user_chose():
    narrow = helion.kernel(double.fn, index_dtype=torch.int32, autotune_effort="none")
    for spec in (TensorSpec([2**16, 2**16], torch.int8), TensorSpec([8, 8], torch.int8, strides=(2**29, 1))):
        with pytest.raises(exc.IndexOffsetOutOfRangeForInt32, match=r"offsets in x[\s\S]*test_widths.py:20:"):
            narrow.bind((spec,))
    narrow.bind((TensorSpec([2**15, 2**16], torch.int8),))
    narrow = helion.kernel(flat.fn, index_dtype=torch.int32, autotune_effort="none")
    with pytest.raises(exc.InputTensorNumelExceedsIndexType, match=r"test_widths.py:\d+:"):
        narrow.bind((TensorSpec([2**31], torch.int8),))
    narrow.bind((TensorSpec([2**30], torch.int8),))
    wide = helion.kernel(double.fn, index_dtype=torch.int64, autotune_effort="none")
    assert "int64" in source_of(wide, {"block_sizes": [8, 8]}, TensorSpec([16, 16], torch.int8))


def test_loops_that_are_longer_than_31_bits_count():
    @kernel
    def upto(x: torch.Tensor, n: int) -> torch.Tensor:
        out = torch.zeros([1], dtype=torch.int32, device=x.device)
        for t in hl.tile(n):
            hl.atomic_add(out, [0], x[t].sum())
        return out

    x = torch.ones(9, dtype=torch.int32)
    assert upto(x, 5).item() == 5
    assert ".to(tl.int64)" in upto.bind((x, 2**31 + 5)).to_triton_code({"block_sizes": [1024]})
