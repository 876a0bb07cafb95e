"""Any legal name works for kernels, arguments and variables: names of an emitted module are unique."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from helion_ir.backends.triton.emitted_helpers import HELPERS
from helion_ir.dialects import names as module_names
from helion_ir.dialects.names import NameScope, host_name, identifier, kernel_name

import helion_ir
import helion_ir.language as hl

from ..support import captured_elsewhere as elsewhere
from ..support.captured_elsewhere import weighted

NAMES = (
    "tl", "triton", "torch_", "x_size_1", "x_size_0", "_BLOCK_SIZE_0", "v_BLOCK_SIZE_0", "_NUM_SM", "_LANES_S0", "_k",
    "pid", "offset", "print", "range", "min", "float", "libdevice", "größe", "_max", "_alloc", "_", "is_", "match",
    "__launch__",
)  # fmt: skip
TEXT = """
import torch
import helion_ir
import helion_ir.language as hl

@helion_ir.kernel(autotune_effort="none", static_shapes={static})
def {kernel}({x}: torch.Tensor, {n}: int) -> torch.Tensor:
    {out} = torch.empty_like({x})
    for {t} in hl.tile({x}.size(0)):
        {row} = {x}[{t}, :] + {n}
        {out}[{t}, :] = {row} * 2 + {n} // 3 + {row}.sum(-1)[:, None]
    return {out}
"""
USUAL = {"kernel": "k", "x": "x", "n": "n", "out": "out", "t": "t", "row": "row"}
kernel = helion_ir.kernel(autotune_effort="none", ignore_warnings=[helion_ir.exc.TensorOperationInWrapper])


def named(folder: Path, static: bool, **names: str) -> Any:
    """The kernel with some names."""
    names = {**USUAL, **names}
    path = folder / "named.py"
    path.write_text(TEXT.format(**names, static=static), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"named_{abs(hash(str(folder)))}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, names["kernel"])


def check(kernel_: Any, *configs: dict[str, object]) -> None:
    x = torch.randn(5, 6)
    want = (x + 7) * 2 + 2 + (x + 7).sum(-1)[:, None]
    for config in configs:
        torch.testing.assert_close(helion_ir.compile(kernel_, config, (x, 7))(x, 7), want)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_works_everywhere(name: str, tmp_path: Path) -> None:
    for number, slot in enumerate(USUAL):
        folder = tmp_path / slot
        folder.mkdir()
        kernel_ = named(folder, static=number % 2 == 0, **{slot: name})
        check(kernel_, {"block_sizes": [2]}, {"block_sizes": [4], "pid_type": "persistent_blocked"})


@pytest.mark.parametrize("name", ["tl", "triton", "range", "_max", "größe", "_BLOCK_SIZE_0"])
def test_the_emitted_module_compiles_for_a_gpu(name: str, tmp_path: Path) -> None:
    slot = "kernel" if name in ("range", "größe") else "x"
    kernel_ = named(tmp_path, static=False, **{slot: name, "row": "_row"})
    assert helion_ir.compile(kernel_, {"block_sizes": [4]}, (torch.empty(5, 6), 7)).binary("sm_90").asm["ptx"]


def test_names_that_become_one_are_told_apart() -> None:
    @kernel
    def outer(_x: torch.Tensor, v_x: torch.Tensor, n: int, n_1: int) -> torch.Tensor:
        out = torch.empty([n, n_1])
        for t, u in hl.tile([n, n_1]):
            out[t, u] = _x[t][:, None] * v_x[u][None, :] + n + n_1
        return out

    x, y = torch.randn(4), torch.randn(5)
    torch.testing.assert_close(outer(x, y, 4, 5), x[:, None] * y + 9)


_BLOCK_SIZE_0 = 5.0
_NUM_SM = 2.0
triton = numpy
SCALE = 10.0


def min(a: int, b: int) -> int:
    return a + b


def tl(n: int) -> int:
    return n + 1


def test_names_of_the_users_module() -> None:
    @kernel
    def scaled(x: torch.Tensor) -> torch.Tensor:
        out = torch.full([min(x.size(0), 0)], float(tl(1)) + float(triton.sqrt(4.0)) + _NUM_SM)
        for t in hl.tile(x.size(0)):
            out[t] += x[t] * min(1, 2) * _BLOCK_SIZE_0
        return out

    x = torch.randn(9)
    torch.testing.assert_close(scaled(x), x * 15 + 6)


def test_two_modules_have_different_things_of_one_name() -> None:
    @kernel
    def product(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        y = weighted(x) * SCALE + elsewhere.SCALE
        for t in hl.tile(x.size(0)):
            out[t] = y[t]
        return out

    x = torch.randn(9)
    torch.testing.assert_close(product(x), x * elsewhere.WEIGHT * 20 + 2)


def test_a_variable_named_like_a_registered_block() -> None:
    @kernel
    def registered(x: torch.Tensor) -> torch.Tensor:
        block = hl.register_block_size(x.size(0))
        _BLOCK_SIZE_0 = 3
        out = torch.full_like(x, _BLOCK_SIZE_0 + block * 0)
        for t in hl.tile(x.size(0), block_size=block):
            out[t] += x[t] * _BLOCK_SIZE_0
        return out

    x = torch.randn(9)
    compiled = helion_ir.compile(registered, {"block_sizes": [4], "pid_type": "persistent_blocked"}, (x,))
    torch.testing.assert_close(compiled(x), x * 3 + 3)
    assert compiled.binary("sm_90").asm["ptx"]


def test_keyword_only_parameters_and_values_on_demand() -> None:
    @kernel
    def keyword(x: torch.Tensor, *, tl: float, min: bool = True) -> torch.Tensor:
        triton = torch.empty_like(x)
        shift = 1 if min else 2
        for t in hl.tile(x.size(0)):
            triton[t] = x[t] * tl + shift
        return triton

    x = torch.randn(9)
    torch.testing.assert_close(keyword(x, tl=2.0, min=True), x * 2 + 1)
    torch.testing.assert_close(keyword(x, tl=3.0, min=False), x * 3 + 2)


def test_different_names_stay_different() -> None:
    words = [f"{'v' * count}{name}" for name in (*NAMES, "k") for count in range(3)]
    for one, other in itertools.combinations(sorted(set(words)), 2):
        assert host_name(one, "k") != host_name(other, "k")
    scope = NameScope(("x",))
    handed = [scope.fresh(identifier(word)) for word in words]
    assert len(set(handed)) == len(handed)
    assert all(name.isascii() and name.isidentifier() and not name.startswith("_") for name in handed)


def test_a_modules_own_functions_are_known() -> None:
    assert set(HELPERS) <= module_names.HELPERS
    for name in ("max", "argmax", "alloc", "torch", "range"):
        assert f"_{kernel_name(name)}" not in module_names.HELPERS
        assert kernel_name(name) not in module_names.RESERVED


def test_a_dynamic_kernels_binary_is_that_of_the_arguments_given() -> None:
    @helion_ir.kernel(autotune_effort="none", static_shapes=False)
    def rows(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty([x.size(0)], device=x.device)
        for t in hl.tile(x.size(0)):
            out[t] = x[t, :].sum(-1)
        return out

    small, large = helion_ir.TensorSpec([32, 16]), helion_ir.TensorSpec([32, 512])
    config = {"block_sizes": [4], "reduction_loops": [None]}
    first, second = (helion_ir.compile(rows, config, (each,)) for each in (small, large))
    assert first.bound is second.bound
    assert first.binary("sm_90").asm["ttir"] != second.binary("sm_90").asm["ttir"]
    assert "4x512x" in second.binary("sm_90").asm["ttir"]
