"""Bugs of ours: `InternalError` says so, points at the user's code, and names a script that reproduces it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from helion_ir.passes.resolve_padding import ResolvePaddingPass

import helion_ir
import helion_ir.language as hl
from helion_ir import exc
from helion_ir.frontend.operators.table import LOWERINGS

X = torch.randn(5, 7)


def doubled(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t, :] = torch.erfinv(x[t, :]) * 2
    return out


def fails(*_: Any, **__: Any) -> None:
    raise KeyError("a bug")


def raised(config: Any = None) -> exc.InternalError:
    with pytest.raises(exc.InternalError) as caught:
        helion_ir.kernel(doubled, config=config or helion_ir.Config(block_sizes=[4]))(X)
    return caught.value


def script_of(error: exc.InternalError) -> str:
    found = re.search(r"report it with (\S+\.py)", error.hint or "")
    assert found is not None
    text = Path(found[1]).read_text()
    os.unlink(found[1])
    compile(text, found[1], "exec")
    return text


def test_in_the_frontend(monkeypatch: pytest.MonkeyPatch) -> None:
    code = fails.__code__.replace(co_filename=LOWERINGS[torch.ops.aten.mul.Tensor].__code__.co_filename)
    monkeypatch.setattr(fails, "__code__", code)
    monkeypatch.setitem(LOWERINGS, torch.ops.aten.erfinv.default, fails)
    error = raised()
    assert "this is a bug of helion_ir: KeyError: 'a bug'" in str(error)
    assert "out[t, :] = torch.erfinv(x[t, :]) * 2" in str(error)
    text = script_of(error)
    assert "def doubled(x: torch.Tensor)" in text
    assert "torch.empty_strided((5, 7)" in text
    assert "# KeyError: 'a bug'" in text


def test_in_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ResolvePaddingPass, "apply", fails)
    error = raised()
    assert error.location is not None
    assert error.location.file == __file__
    assert "# config: {'block_sizes': [4]" in script_of(error)


def test_what_the_user_calls_is_no_bug() -> None:
    @helion_ir.kernel(autotune_effort="none")
    def wrong(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile({}["size"]):
            out[t] = x[t]
        return out

    with pytest.raises(exc.TorchOpTracingError, match="KeyError: 'size'"):
        wrong(X)


@helion_ir.kernel(autotune_effort="none")
def in_host_code(x: torch.Tensor, what: int) -> torch.Tensor:
    if what == 0:
        x.shift  # noqa: B018
    elif what == 1:
        x + no_such_name  # noqa: F821
    else:
        x.reshape(3, 5)
    out = torch.empty_like(x)
    for t in hl.tile(x.size()):
        out[t] = x[t]
    return out


def test_errors_of_host_code_are_pythons_with_their_place() -> None:
    with pytest.raises(AttributeError, match="a tensor has no attribute 'shift'") as attribute:
        in_host_code(X, 0)
    assert "x.shift" in attribute.value.__notes__[0]
    with pytest.raises(NameError) as name:
        in_host_code(X, 1)
    assert isinstance(name.value, exc.UndefinedVariable)
    assert "x + no_such_name" in str(name.value)
    with pytest.raises(RuntimeError, match="invalid for input") as shape:
        in_host_code(X, 2)
    assert "x.reshape(3, 5)" in shape.value.__notes__[0]
