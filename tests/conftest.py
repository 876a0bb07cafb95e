"""What every test gets: a known environment, its own caches, seeded random numbers."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import helion_ir.backends.triton as triton_backend
import helion_ir.backends.triton.module as triton_module
import helion_ir.backends.triton.opt_target as triton_target
import pytest
import torch
from helion_ir.backends.triton.reprint import TritonText


@lru_cache(maxsize=256)
def _compiled(source: str) -> str:
    """The source of an emitted module, which Python can compile."""
    compile(source, "<emitted>", "exec")
    return source


def _compile_every_emitted_module() -> None:
    """Whatever a test has emitted is compiled by Python there and then."""
    source, emit = TritonText.source, triton_backend.emit

    def checked_emit(*args: Any, **kwargs: Any) -> str:
        return _compiled(emit(*args, **kwargs))

    TritonText.source = lambda self, *values: _compiled(source(self, *values))  # type: ignore[method-assign]
    triton_backend.emit = triton_module.emit = triton_target.emit = checked_emit  # before the tests import it


_compile_every_emitted_module()


@pytest.fixture(scope="session")
def triton_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Triton's cache, one a process: it holds what its driver compiles for itself, too."""
    return tmp_path_factory.mktemp("triton-cache")


@pytest.fixture(autouse=True)
def known_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, triton_cache: Path) -> None:
    """No setting of the caller's shell reaches a test, and nothing that a test caches outlives the run."""
    for name in list(os.environ):
        if name.startswith("HELION_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HELION_CACHE_DIR", str(tmp_path / "helion-cache"))
    monkeypatch.setenv("TRITON_CACHE_DIR", str(triton_cache))
    torch.manual_seed(0)
