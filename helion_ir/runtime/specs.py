"""`TensorSpec`: what a kernel is specialized to, where no tensor is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode


@dataclass(frozen=True, init=False)
class TensorSpec:
    """Shape, dtype, strides and device of a tensor that need not exist: stands for one in `compile` and `bind`.

    The base address counts as aligned to 16 bytes, as a fresh allocation's is.
    """

    shape: torch.Size
    dtype: torch.dtype
    strides: tuple[int, ...]
    device: torch.device

    def __init__(
        self,
        shape: Sequence[int],
        dtype: torch.dtype = torch.float32,
        *,
        strides: Sequence[int] | None = None,
        device: torch.device | str = "cuda",
    ) -> None:
        """`strides` in elements, contiguous when left out; `device` without an index is its device 0."""
        size = torch.Size(shape)
        if strides is not None and len(strides) != len(size):
            raise ValueError(f"a tensor of rank {len(size)} has {len(size)} strides, got {len(strides)}")
        if any(extent < 0 for extent in size):
            raise ValueError(f"sizes are not negative, got {tuple(size)}")
        where = torch.device(device)
        if where.index is None and where.type != "cpu":
            where = torch.device(where.type, 0)
        object.__setattr__(self, "shape", size)
        object.__setattr__(self, "dtype", dtype)
        object.__setattr__(self, "strides", _contiguous(size) if strides is None else tuple(strides))
        object.__setattr__(self, "device", where)

    @classmethod
    def of(cls, tensor: torch.Tensor) -> TensorSpec:
        """The spec of a tensor."""
        return cls(tensor.shape, tensor.dtype, strides=tensor.stride(), device=tensor.device)

    def stride(self, dim: int | None = None) -> int | tuple[int, ...]:
        """The strides in elements, or that of one dimension."""
        return self.strides if dim is None else self.strides[dim]

    def size(self, dim: int | None = None) -> int | torch.Size:
        """The shape, or one extent."""
        return self.shape if dim is None else self.shape[dim]

    def fake(self) -> FakeTensor:
        """A fake tensor of this spec; nothing is allocated."""
        with _fakes():
            result = torch.empty_strided(self.shape, self.strides, dtype=self.dtype, device=self.device)
        assert isinstance(result, FakeTensor)
        return result


def _contiguous(size: Sequence[int]) -> tuple[int, ...]:
    strides, step = [], 1
    for extent in reversed(size):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


_mode: list[FakeTensorMode] = []


def _fakes() -> FakeTensorMode:
    """One mode for all fakes, so that they may meet in one operator."""
    if not _mode:
        _mode.append(FakeTensorMode())
    return _mode[0]


def materialize(value: object) -> object:
    """`value` with every `TensorSpec` in its lists, tuples and dicts made a fake tensor."""
    if isinstance(value, TensorSpec):
        return value.fake()
    if isinstance(value, dict):
        return {key: materialize(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(materialize(item) for item in value))
    if type(value) in (list, tuple):
        return type(value)(materialize(item) for item in value)
    return value


__all__ = ["TensorSpec", "materialize"]
