"""Stack tensors: tensors alike at addresses that another tensor holds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc

from ..support.executions import environment

kernel = helion.kernel(autotune_effort="none")
LEVELS = pytest.mark.parametrize("level", ["tile", "tl"])


def pointers(tensors: list[Tensor], dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.tensor([t.data_ptr() for t in tensors], dtype=torch.int64).to(dtype)


def run(level: str, k: Any, *args: Any, **config: Any) -> Any:
    with environment(HELION_INTERPRET_LEVEL=level):
        compiled = helion.compile(k, config or k.bind(args).config_spec.default_config(), args)
        compile(compiled.source, "<emitted>", "exec")
        return compiled(*args)


@kernel
def gathered(dev_ptrs: Tensor, example: Tensor) -> Tensor:
    out = torch.empty([dev_ptrs.size(0), example.size(0)], dtype=example.dtype, device=dev_ptrs.device)
    for tile in hl.tile(example.size(0)):
        tensors = hl.stacktensor_like(example, dev_ptrs[:])
        out[:, tile] = tensors[tile]
    return out


@kernel
def gathered_by_tiles(dev_ptrs: Tensor, example: Tensor) -> Tensor:
    """Of matrices: a tile of the addresses, a tile and a shifted tile of each matrix, and its first column."""
    m, n = example.shape
    out = torch.zeros([dev_ptrs.size(0), m, n], dtype=torch.float32, device=dev_ptrs.device)
    for tile_p in hl.tile(dev_ptrs.size(0)):
        stack = hl.stacktensor_like(example, dev_ptrs[tile_p])
        for tile_m, tile_n in hl.tile([m, n]):
            first = stack[tile_m, 0][:, :, None].to(torch.float32)
            right = hl.load(stack, [tile_m, tile_n + 1], extra_mask=(tile_m.index < m - 1)[None, :, None])
            out[tile_p, tile_m, tile_n] = stack[tile_m, tile_n] + first + right
    return out


@LEVELS
def test_loads(level: str) -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.int8, torch.float64, torch.float8_e4m3fn):
        tensors = [torch.randn(13).to(dtype) for _ in range(3)]
        got = run(level, gathered, pointers(tensors), tensors[0], block_sizes=[4])
        assert torch.equal(got.to(torch.float64), torch.stack(tensors).to(torch.float64))
    parts = [torch.randn(5, 7).to(torch.float16) for _ in range(3)]
    want = []
    for part in parts:
        right = torch.zeros(5, 7)
        right[:-1, :-1] = part[:-1, 1:]
        want.append(part + part[:, :1].float() + right)
    for blocks in ([2, 2, 4], [4, 8, 2], [1, 1, 16]):
        args = (pointers(parts, torch.uint64), parts[0])
        torch.testing.assert_close(run(level, gathered_by_tiles, *args, block_sizes=blocks), torch.stack(want))


@kernel
def spread(dev_ptrs: Tensor, example: Tensor, x: Tensor) -> Tensor:
    """Each element of a grid of tensors gets its own row, the last column what all of them share."""
    for tile in hl.tile(example.size(1)):
        stack = hl.stacktensor_like(example, dev_ptrs[:, :])
        stack[0, tile] = x[:, :, tile]
        stack[1, tile] = stack[0, tile] * 2
        hl.store(stack, [2, tile], 7, extra_mask=(tile.index < 3)[None, None, :])
    return x


@LEVELS
def test_stores_by_addresses_of_rank_2(level: str) -> None:
    tensors = [torch.zeros(3, 9) for _ in range(6)]
    x = torch.randn(2, 3, 9)
    run(level, spread, pointers(tensors).view(2, 3), tensors[0], x, block_sizes=[4])
    for tensor, row in zip(tensors, x.view(6, 9), strict=True):
        torch.testing.assert_close(tensor[:2], torch.stack([row, row * 2]))
        assert tensor[2].tolist() == [7.0] * 3 + [0.0] * 6


@kernel
def one_by_one(dev_ptrs: Tensor, example: Tensor, index: Tensor) -> Tensor:
    """Scalar addresses; positions from an index tensor; a stack that a loop carries."""
    out = torch.zeros([index.size(0)], dtype=example.dtype, device=dev_ptrs.device)
    for tile in hl.tile(index.size(0)):
        total = hl.zeros([tile], dtype=example.dtype)
        stack = hl.stacktensor_like(example, dev_ptrs[0])
        for i in hl.grid(dev_ptrs.size(0)):
            stack = hl.stacktensor_like(example, dev_ptrs[i])
            total += stack[index[tile]]
        out[tile] = total * 2 + stack[0]
    return out


@pytest.mark.parametrize("static_shapes", [True, False])
@LEVELS
def test_scalar_addresses(level: str, static_shapes: bool) -> None:
    k = helion.kernel(one_by_one.fn, static_shapes=static_shapes, autotune_effort="none")
    for n in (9, 4):
        tensors, index = [torch.randn(n) for _ in range(3)], torch.tensor([3, 0, 2, 2, 1])
        want = torch.stack(tensors)[:, index].sum(0) * 2 + tensors[-1][0]
        torch.testing.assert_close(run(level, k, pointers(tensors), tensors[0], index), want)


def test_the_eager_reference_agrees() -> None:
    tensors, x = [torch.randn(3, 9) for _ in range(6)], torch.randn(2, 3, 9)
    helion.kernel(spread.fn, ref_mode=helion.RefMode.EAGER)(pointers(tensors).view(2, 3), tensors[0], x)
    for tensor, row in zip(tensors, x.view(6, 9), strict=True):
        torch.testing.assert_close(tensor[:2], torch.stack([row, row * 2]))
        assert tensor[2, :3].tolist() == [7.0] * 3
    vectors = [torch.randn(13) for _ in range(3)]
    eager = helion.kernel(gathered.fn, ref_mode=helion.RefMode.EAGER)
    torch.testing.assert_close(eager(pointers(vectors), vectors[0]), torch.stack(vectors))


def test_what_it_knows_and_how_it_compiles() -> None:
    @kernel
    def facts(dev_ptrs: Tensor, example: Tensor) -> Tensor:
        out = torch.zeros([4], device=example.device)
        for t in hl.tile(4):
            stack = hl.stacktensor_like(example, dev_ptrs[:])
            assert stack.dtype == torch.float32
            assert stack.ndim == stack.dim() == 3
            assert tuple(stack.shape) == (2, 5, 4)
            out[t] = stack[:, t].sum([0, 1]) * stack.size(1)
        return out

    tensors = [torch.randn(5, 4) for _ in range(2)]
    got = facts(pointers(tensors), tensors[0])
    torch.testing.assert_close(got, torch.stack(tensors).sum([0, 1]) * 5)
    for k, args in ((gathered, (pointers(tensors), torch.empty(40))), (facts, (pointers(tensors), tensors[0]))):
        assert helion.compile(k, k.bind(args).config_spec.default_config(), args).binary("sm_90")


@kernel
def misused(dev_ptrs: Tensor, example: Tensor, floats: Tensor, of: Any) -> Tensor:
    for tile in hl.tile(example.size(0)):
        example[tile] = of(dev_ptrs, example, floats)[tile]
    return example


@pytest.mark.parametrize(
    ("error", "of"),
    [
        (exc.StackTensorDevPtrDtype, lambda ptrs, example, floats: hl.stacktensor_like(example, floats[:])),
        (exc.StackTensorDevPtrDtype, lambda ptrs, ex, floats: hl.stacktensor_like(ex, ptrs[:].to(torch.int32))),
        (exc.StackTensorDevPtrOnHost, lambda ptrs, example, floats: hl.stacktensor_like(example, ptrs)),
        (exc.StackTensorExampleOnDevice, lambda ptrs, example, floats: hl.stacktensor_like(example[:], ptrs[:])),
    ],
)
def test_misuse(error: type[exc.Base], of: Any) -> None:
    with pytest.raises(error) as caught:
        misused.bind((torch.zeros(3, dtype=torch.int64), torch.zeros(4), torch.zeros(3), of))
    assert caught.value.location is not None
    assert caught.value.location.file == __file__


def test_the_interpreter_reads_no_null() -> None:
    with pytest.raises(Exception, match="address of no tensor"):
        run("tile", gathered, torch.zeros(2, dtype=torch.int64), torch.zeros(4))
