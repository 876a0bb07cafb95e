"""Generic kernels: each takes the operator as a function, and is one way in which users walk their tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import helion_ir
import helion_ir.language as hl

Body = Callable[..., tuple[torch.Tensor, ...]]
"""The operator with its other arguments: tensors → tuple of results."""


@helion_ir.kernel(autotune_effort="none")
def one_dimension(body: Any, inputs: Any, outs: Any) -> None:
    for tile in hl.tile(outs[0].size(0)):
        values = body(*[x[tile] if x.dim() else x[()] for x in inputs])
        for i in range(len(outs)):
            assert values[i].dtype == outs[i].dtype, f"{values[i].dtype} instead of {outs[i].dtype}"
            outs[i][tile] = values[i]


@helion_ir.kernel(autotune_effort="none")
def two_dimensions(body: Any, inputs: Any, outs: Any) -> None:
    for rows, columns in hl.tile(outs[0].size()):
        values = body(*[x[rows, columns] if x.dim() else x[()] for x in inputs])
        for i in range(len(outs)):
            assert values[i].dtype == outs[i].dtype, f"{values[i].dtype} instead of {outs[i].dtype}"
            outs[i][rows, columns] = values[i]


@helion_ir.kernel(autotune_effort="none")
def of_rows(body: Any, inputs: Any, outs: Any) -> None:
    """A number for each row, which is a full slice: held whole, or (`reduction_loops`) walked in chunks."""
    for tile in hl.tile(inputs[0].size(0)):
        values = body(*[x[tile, :] for x in inputs])
        for i in range(len(outs)):
            assert values[i].dtype == outs[i].dtype, f"{values[i].dtype} instead of {outs[i].dtype}"
            outs[i][tile] = values[i]


@helion_ir.kernel(autotune_effort="none")
def of_columns(body: Any, inputs: Any, outs: Any) -> None:
    for tile in hl.tile(inputs[0].size(1)):
        values = body(*[x[:, tile] for x in inputs])
        for i in range(len(outs)):
            assert values[i].dtype == outs[i].dtype, f"{values[i].dtype} instead of {outs[i].dtype}"
            outs[i][tile] = values[i]


@helion_ir.kernel(autotune_effort="none")
def of_everything(body: Any, inputs: Any, outs: Any) -> None:
    """One number of a whole tensor, which one program holds."""
    for tile in hl.tile(1, block_size=1):
        values = body(*[x[:] for x in inputs])
        for i in range(len(outs)):
            assert values[i].dtype == outs[i].dtype, f"{values[i].dtype} instead of {outs[i].dtype}"
            outs[i][tile] = values[i]


@helion_ir.kernel(autotune_effort="none")
def to_rows(body: Any, inputs: Any, outs: Any) -> None:
    """A row for each row."""
    for tile in hl.tile(inputs[0].size(0)):
        values = body(*[x[tile, :] for x in inputs])
        for i in range(len(outs)):
            assert values[i].dtype == outs[i].dtype, f"{values[i].dtype} instead of {outs[i].dtype}"
            outs[i][tile, :] = values[i]


@helion_ir.kernel(autotune_effort="none")
def of_tiles(body: Any, combine: Any, inputs: Any, outs: Any) -> None:
    """A number for each row, combined from those of the tiles of a loop."""
    for tile in hl.tile(inputs[0].size(0)):
        (total,) = body(*[x[tile, :1] for x in inputs])
        for part in hl.tile(1, inputs[0].size(1)):
            (more,) = body(*[x[tile, part] for x in inputs])
            total = combine(total, more)
        assert total.dtype == outs[0].dtype, f"{total.dtype} instead of {outs[0].dtype}"
        outs[0][tile] = total
