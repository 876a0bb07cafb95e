"""A module whose constants and functions the kernels of test_runtime_captures.py use."""

from __future__ import annotations

import torch

SCALE = 2.0
WEIGHT = torch.full((9,), 2.0)


class Options:
    """A class whose attributes are constants."""

    scale = 2.0


def scaled(x: torch.Tensor) -> torch.Tensor:
    return x * SCALE


def weighted(x: torch.Tensor) -> torch.Tensor:
    return x * WEIGHT * SCALE
