"""`hl.pdl_wait`, `hl.pdl_launch_dependents`: what is emitted, for which targets it compiles, where they may stand."""

from __future__ import annotations

import re

import pytest
import torch
from torch.testing import assert_close

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc

kernel = helion.kernel(autotune_effort="none")
LEVELS = pytest.mark.parametrize("level", ["tile", "tl"])


@kernel
def scaled(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The weights are no other kernel's result: they are loaded while the one before still runs."""
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        w = weight[t]
        hl.pdl_wait()
        v = x[t]
        hl.pdl_launch_dependents()
        out[t] = v * w
    return out


ARGS = torch.randn(77), torch.randn(77)


@LEVELS
def test_on_the_cpu(level: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    for pid_type in ("flat", "persistent_blocked"):
        assert_close(helion.compile(scaled, {"pid_type": pid_type}, ARGS)(*ARGS), ARGS[0] * ARGS[1])


def test_the_emitted_text():
    source = helion.compile(scaled, {"block_sizes": [16]}, ARGS).source
    body = source.partition("def _scaled(")[2]
    steps = ["tl.load", "_pdl_wait", "tl.load", "_pdl_launch_dependents", "tl.store"]
    assert re.findall(r"^ .*?(tl\.load|tl\.store|_pdl_\w+)", re.sub("#.*", "", body), re.MULTILINE) == steps
    assert "**({'launch_pdl': True} if _PDL else {})" in body
    persistent = helion.compile(scaled, {"block_sizes": [16], "pid_type": "persistent_blocked"}, ARGS).source
    body = persistent.partition("def _scaled(")[2]
    assert body.index("_pdl_wait(_PDL)") < body.index("for virtual_pid")
    assert body.count("_pdl_wait(_PDL)") == 1


@pytest.mark.parametrize(("target", "waits"), [("sm_90", True), ("sm_80", False), ("gfx942", False)])
def test_binaries(target: str, waits: bool):
    asm = helion.compile(scaled, {}, ARGS).binary(target).asm
    text = asm["amdgcn" if target == "gfx942" else "ptx"]
    assert ("griddepcontrol.wait" in text) == ("griddepcontrol.launch_dependents" in text) == waits


def in_host_code(x: torch.Tensor) -> None:
    hl.pdl_wait()
    for t in hl.tile(x.size(0)):
        x[t] = 0


def in_a_branch(x: torch.Tensor) -> None:
    for t in hl.tile(x.size(0)):
        if t.begin > 3:
            hl.pdl_wait()
        x[t] = 0


def in_an_inner_loop(x: torch.Tensor) -> None:
    for t in hl.tile(x.size(0)):
        for _ in hl.grid(x.size(0)):
            hl.pdl_launch_dependents()
            x[t] = 0


def in_one_loop_of_two(x: torch.Tensor) -> torch.Tensor:
    y = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        hl.pdl_wait()
        x[t] = 0
    for t in hl.tile(x.size(0)):
        y[t] = 0
    return y


def writes_early(x: torch.Tensor) -> None:
    for t in hl.tile(x.size(0)):
        x[t] = 0
        hl.pdl_wait()


def meets(x: torch.Tensor) -> torch.Tensor:
    y = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        hl.pdl_wait()
        y[t] = x[t]
    for t in hl.tile(x.size(0)):
        hl.pdl_wait()
        x[t] = y[t] + 1
    return y


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (in_host_code, "in host code"), (in_a_branch, "inner loop or a branch"), (in_an_inner_loop, "inner loop or"),
        (in_one_loop_of_two, "but another one does"), (writes_early, "writes before hl.pdl_wait"),
        (meets, "meet at barriers"),
    ],
)  # fmt: skip
def test_mistakes(function, says: str):
    with pytest.raises(exc.PdlPlacement, match=says) as caught:
        kernel(function).bind((torch.zeros(8),))
    assert re.search(r"test_early_launch.py:\d+:\d+", str(caught.value))
