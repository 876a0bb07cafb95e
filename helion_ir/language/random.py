"""Random numbers that are a function of a seed and of where a lane is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .api import api


@api()
def rand(shape: Sequence[Any], seed: Any, device: Any = None, offsets: Any = None) -> torch.Tensor:
    """Uniform float32 in [0, 1), by Triton's Philox: `tl.rand(seed, offsets)`.

    The number of a lane is a function of the seed (an int: a number, an argument or a device scalar) and of the lane's
    offset: where `offsets` are not given, its row-major index in the full extents of `shape`, in which a tile counts
    with its positions. So the numbers do not depend on block sizes. `device` is that of the kernel, whatever it says.
    """
    raise NotImplementedError


@api()
def randint(
    shape: Sequence[Any], low: Any, high: Any, seed: Any, device: Any = None, offsets: Any = None
) -> torch.Tensor:
    """Random int32 from `low` up to and without `high`: `low + abs(draw) % (high - low)`; see `rand`."""
    raise NotImplementedError


@api()
def rand4x(seed: Any, offsets: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Four uniform float32 in [0, 1) for each of `offsets`, at the cost of one: `tl.rand4x`."""
    raise NotImplementedError
