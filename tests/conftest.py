"""What every test gets: a known environment, its own caches, seeded random numbers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch


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
