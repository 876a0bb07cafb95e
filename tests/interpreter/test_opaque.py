"""Opaque Triton on the reference interpreter: Triton's own runs it, with values through memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import triton
import triton.language as tl

import helion_ir
import helion_ir.language as hl
from helion_ir.interpreter.opaque import NeedsGPUError

LEVELS = pytest.mark.parametrize("level", ["tile", "tl"])


@pytest.fixture(autouse=True)
def at_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run at the level that the test asks for."""
    if "level" in request.fixturenames:
        monkeypatch.setenv("HELION_INTERPRET_LEVEL", request.getfixturevalue("level"))


def run(kernel: Any, *args: Any, **config: Any) -> Any:
    return helion_ir.compile(kernel, helion_ir.Config(**config), args)(*args)


@triton.jit
def scaled_row_sums(x, factor, SQUARE: tl.constexpr):
    y = x * x if SQUARE else x
    return tl.sum(y, axis=1) * factor, tl.max(x, 1) > 0


@helion_ir.kernel()
def rows(x: torch.Tensor, factor: float) -> tuple[torch.Tensor, torch.Tensor]:
    m, _ = x.size()
    sums, positive = torch.empty([m], dtype=x.dtype), torch.empty([m], dtype=torch.bool)
    for tile in hl.tile(m):
        block = x[tile, :]
        like = hl.zeros([tile], dtype=torch.float32)
        total, some = hl.triton_kernel(
            scaled_row_sums, args=(block, factor, True), output_like=(like, hl.zeros([tile], dtype=torch.bool))
        )
        sums[tile] = total
        positive[tile] = some
    return sums, positive


@LEVELS
@pytest.mark.parametrize("block", [1, 2, 8])
def test_a_jit_function_with_reductions(level: str, block: int) -> None:
    x = torch.randn(13, 16) - 1.5
    sums, positive = run(rows, x, 0.5, block_sizes=[block])
    torch.testing.assert_close(sums.double(), (x.double() ** 2).sum(1) * 0.5, atol=1e-5, rtol=1e-5)
    assert torch.equal(positive, x.amax(1) > 0)
    assert 0 < positive.sum() < 13


@helion_ir.kernel()
def through_pointers(x: torch.Tensor, outs: tuple[torch.Tensor, ...], n: int) -> None:
    for tile in hl.tile(x.size(0)):
        hl.inline_triton(
            """
            mask = {tile} < {n}
            value = tl.load({x} + {tile}, mask, other=0)
            tl.store({outs}[0] + {tile}, value * 2, mask)
            tl.store({outs}[1] + {tile}, value + tl.program_id(0) * 100, mask)
            """,
            args={"tile": tile, "x": x, "outs": outs, "n": n},
            output_like=None,
        )


@LEVELS
def test_pointers_tuples_positions_and_program_ids(level: str) -> None:
    x = torch.arange(21, dtype=torch.uint8)
    outs = torch.full((21,), 255, dtype=torch.uint8), torch.full((21,), -1, dtype=torch.int64)
    run(through_pointers, x, outs, 19, block_sizes=[8])
    assert outs[0].tolist() == [*(2 * i for i in range(19)), 255, 255]
    assert outs[1].tolist() == [*(i + i // 8 * 100 for i in range(19)), -1, -1]


@helion_ir.kernel()
def elementwise(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile_m, tile_n in hl.tile(x.size(), block_size=[3, None]):
        block = x[tile_m, tile_n]
        out[tile_m, tile_n] = hl.inline_triton("t = {0} - {1}[None, :]\nt * t", (block, y[tile_n]), block)
    return out


@LEVELS
@pytest.mark.parametrize("columns", [1, 4])
def test_blocks_of_odd_extents(level: str, columns: int) -> None:
    x, y = torch.randn(7, 10), torch.randn(10)
    torch.testing.assert_close(run(elementwise, x, y, block_sizes=[columns]), (x - y) ** 2)


@helion_ir.kernel()
def clocks(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = hl.inline_asm_elementwise("mov.b32 $0, $1;", "=r,r", [x[tile]], torch.int32, True, 1)
    return out


@helion_ir.kernel()
def doubled(x: torch.Tensor, wide: hl.constexpr) -> torch.Tensor:  # pyright: ignore[reportInvalidTypeForm]
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        text = "({0}.to(tl.float32) + {0}.to(tl.float32)).to(tl.bfloat16)" if wide else "{0} + {0}"
        out[tile] = hl.inline_triton(text, (x[tile],), x[tile])
    return out


@LEVELS
def test_bfloat16_is_right_or_refused(level: str) -> None:
    """Triton's interpreter adds the bits of such numbers as integers, silently."""
    x = torch.randn(8).to(torch.bfloat16)
    assert torch.equal(run(doubled, x, True, block_sizes=[8]), x + x)
    with pytest.raises(Exception, match="it cannot compute in bfloat16"):
        run(doubled, x, False, block_sizes=[8])


@helion_ir.kernel()
def bad(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = hl.inline_triton("tl.no_such_thing({0})", (x[tile],), x[tile])
    return out


@triton.jit
def with_assembly(x):
    return tl.inline_asm_elementwise("mov.b32 $0, $1;", "=r,r", [x], dtype=tl.int32, is_pure=True, pack=1)


@helion_ir.kernel()
def calls_assembly(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = hl.triton_kernel(with_assembly, (x[tile],), x[tile])
    return out


@LEVELS
def test_assembly_needs_a_gpu(level: str) -> None:
    x = torch.zeros(8, dtype=torch.int32)
    with pytest.raises(NeedsGPUError, match=r"test_opaque.py:\d+:.*assembly .* runs on a GPU only"):
        run(clocks, x, block_sizes=[8])
    with pytest.raises(NeedsGPUError, match=r"inline_triton.call at .*assembly runs on a GPU only; .*implements"):
        run(calls_assembly, x, block_sizes=[8])


@LEVELS
def test_what_triton_says_is_told(level: str) -> None:
    with pytest.raises(Exception, match=r"test_opaque.py:\d+:.*no_such_thing"):
        run(bad, torch.zeros(8), block_sizes=[8])


def test_triton_compiles_afterwards() -> None:
    """The language is as it was: nothing of its interpreter is left in it."""
    before = {name: getattr(tl, name) for name in dir(tl)}
    run(rows, torch.randn(4, 8), 1.0, block_sizes=[2])
    assert {name: getattr(tl, name) for name in dir(tl)} == before
    binary = helion_ir.compile(rows, helion_ir.Config(block_sizes=[2]), (torch.randn(4, 8), 1.0)).binary("sm_90")
    assert "st.global" in binary.asm["ptx"]
