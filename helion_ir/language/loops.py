"""Loops. Each function stands in the `for` statement that it gives a meaning to."""

from __future__ import annotations

from typing import Any

import torch

from .api import api


@api(host=True)
def tile(begin_or_end: Any, end: Any = None, /, block_size: Any = None) -> Any:
    """Loop over tiles of a size, or of a sequence of sizes (then over tuples of tiles).

    `block_size` is None (tuned), an int, a registered block size, or a sequence of those. Bounds may be run-time
    scalars in inner loops. The outermost loop is the grid.
    """


@api(host=True)
def grid(begin_or_end: Any, end: Any = None, /, step: Any = None) -> Any:
    """Loop over scalar indices; over tuples of them for a sequence of sizes."""


@api(host=True)
def jagged_tile(lengths: torch.Tensor, /) -> Any:
    """Loop over tiles up to an end that differs from lane to lane of the tiles around.

    The loop runs to the largest of `lengths`, integers with a length for each lane of one or more tiles around. Past
    its own length a lane does not exist: loads read nothing there (also by positions computed from `.index`), stores
    and atomics write nothing, and reductions, scans and products see nothing.

    Raises:
        InvalidJaggedTileUsage: `lengths` is no such tensor, or a value's lanes would be mixed with lanes not there.
    """


@api(host=True)
def static_range(begin_or_end: int, end: int | None = None, /, step: int = 1) -> Any:
    """Loop over Python ints that are known at compile time; the kernel may hold the loop or its iterations."""


@api(host=True)
def barrier() -> None:
    """Between top-level loops: the loops after it begin when all programs have ended those before it.

    A statement of its own in host code. It needs a persistent grid, which the search space then offers alone.
    """
