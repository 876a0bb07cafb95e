"""Kernels compile for GPUs that are not here, with what the binaries need and the instructions they should use."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helion_ir.backends.triton import emit
from helion_ir.backends.triton.runtime.aot import CompiledBinary, compile_for
from helion_ir.dialects.targets import TARGETS

from ..support import printer_control_flow as control_flow
from ..support import printer_kernels as kernels
from ..support import printer_rows as rows

AMD_LIBDEVICE_GAPS = ("math.cbrt", "math.ctlz", "math.cttz", "math.ctpop")
"""Rows whose libdevice function Triton 3.6 and 3.7 lack for AMD."""


def compiled(text: str, target: str, **options: object) -> CompiledBinary:
    module = kernels.prepared(text)
    return compile_for(emit(module), module, target, **options)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("target", TARGETS)
def test_kernels_compile(target: str) -> None:
    for text in (
        kernels.ADD,
        control_flow.SOFTMAX,
        control_flow.SWAP,
        control_flow.BRANCH,
        control_flow.WHILE,
        kernels.matmul("bf16", 64, 64, 32),
        kernels.matmul("f32", 32, 32, 32),
        kernels.matmul("f16", 64, 64, 32, descriptor=True),
    ):
        binary = compiled(text, target)
        assert binary.fits()
        assert binary.registers > 0
        assert {"ptx", "cubin"} <= binary.asm.keys() or {"amdgcn", "hsaco"} <= binary.asm.keys()


@pytest.mark.parametrize("target", ["sm_90", "gfx942"])
def test_every_row_compiles(target: str) -> None:
    listed = [*rows.interpretable_rows(), *rows.compiled_rows()]
    if target.startswith("gfx"):
        listed = [row for row in listed if not row[0].startswith(AMD_LIBDEVICE_GAPS)]
    assert compiled(rows.kernel(listed, rows.reductions()), target).spills == 0


def test_matmul_uses_the_tensor_cores() -> None:
    ptx = compiled(kernels.matmul("bf16", 128, 128, 64), "sm_90").asm["ptx"]
    assert "wgmma.mma_async" in ptx
    assert "cp.async.bulk.tensor" not in ptx


def test_descriptors_use_tma() -> None:
    ptx = compiled(kernels.matmul("bf16", 128, 128, 64, descriptor=True), "sm_90").asm["ptx"]
    assert "wgmma.mma_async" in ptx
    assert "cp.async.bulk.tensor" in ptx


def test_pipelined_matmul_takes_shared_memory_that_may_not_fit() -> None:
    """Three stages of (128 × 256 + 256 × 256) bf16 are 576 KiB: compiled, and known not to launch."""
    text = kernels.matmul("bf16", 128, 256, 256, descriptor=True)
    binary = compiled(text, "sm_90")
    assert binary.shared_bytes > TARGETS["sm_90"].shared_bytes
    assert not binary.fits()


def test_registers_are_limited_by_maxnreg() -> None:
    text = kernels.matmul("bf16", 64, 64, 64)
    limited = text.replace("options = {", "options = {maxnreg = #builtin.int<64>, ")
    free, tight = compiled(text, "sm_80"), compiled(limited, "sm_80")
    assert free.registers > 64
    assert tight.registers == 64
    assert tight.spills > 0


def test_host_constexprs() -> None:
    """The number of multiprocessors is known per target; what depends on arguments must be given."""
    count = "__multiprocessors__(x) * 2"
    add = "_BLOCK_SIZE_0 = #builtin.int<64>"
    persistent = kernels.ADD.replace(add, f'{add}, _NUM_SM = "{count}"')
    persistent = persistent.replace(
        "  %ns = value.splat %n : i32 -> !i",
        '  %sm = tl.constexpr "_NUM_SM" : i32\n  %ns = value.splat %sm : i32 -> !i',
    )
    assert "264" in compiled(persistent, "sm_90").asm["ptx"]
    sized = kernels.ADD.replace(add, '_BLOCK_SIZE_0 = "__next_power_of_2__(x.numel())"')
    with pytest.raises(KeyError, match="_BLOCK_SIZE_0"):
        compiled(sized, "sm_90")
    assert compiled(sized, "sm_90", constexprs={"_BLOCK_SIZE_0": 128}).fits()


def test_equal_requests_compile_once() -> None:
    assert compiled(kernels.ADD, "sm_90") is compiled(kernels.ADD, "sm_90")
    assert compiled(kernels.ADD, "sm_90") is not compiled(kernels.ADD, "sm_90", divisible=["n"])


def test_divisible_sizes_make_wide_loads() -> None:
    """Rows of a length divisible by 16 keep 16-byte alignment, so that loads become wider."""
    text = kernels.matmul("bf16", 64, 64, 64)
    narrow, wide = (
        compiled(text, "sm_90", divisible=names).asm["ptx"].count("cp.async.cg") for names in ((), ("m", "n", "k"))
    )
    assert narrow == 0
    assert wide > 0


def test_aot_imports_no_triton() -> None:
    code = """import sys, helion_ir.backends.triton.runtime.aot, helion_ir.backends.triton
assert not {'triton', 'torch'} & set(sys.modules)"""
    subprocess.run([sys.executable, "-c", code], check=True)
