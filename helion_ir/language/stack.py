"""Stack tensors: tensors alike at addresses that other tensors hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .api import api
from .memory import load, store


@dataclass(frozen=True, eq=False)
class StackTensor:
    """The tensors at the addresses `dev_ptrs`, each with the shape, strides and dtype of `tensor_like`.

    Subscripts are those of `tensor_like`; what is loaded and stored has `dev_ptrs.shape` in front.
    """

    tensor_like: torch.Tensor
    dev_ptrs: torch.Tensor

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the tensors."""
        return self.tensor_like.dtype

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.tensor_like.device

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape of the addresses, then that of one tensor."""
        return (*self.dev_ptrs.shape, *self.tensor_like.shape)

    @property
    def ndim(self) -> int:
        """The rank of what all indices together select."""
        return len(self.shape)

    def dim(self) -> int:
        """The same as `ndim`."""
        return self.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one size of it."""
        return self.shape if dim is None else self.shape[dim]

    def __getitem__(self, index: Any) -> torch.Tensor:
        return load(self, index)  # pyright: ignore[reportArgumentType]

    def __setitem__(self, index: Any, value: Any) -> None:
        store(self, index, value)  # pyright: ignore[reportArgumentType]


@api(host=True)
def stacktensor_like(tensor_like: torch.Tensor, dev_ptrs: torch.Tensor) -> StackTensor:
    """The tensors at the addresses in `dev_ptrs`, all alike `tensor_like`.

    Args:
        tensor_like: a host tensor, for shape, strides and dtype only.
        dev_ptrs: a device value of int64 or uint64 addresses (bytes, as of `Tensor.data_ptr()`), of any shape. The
            lanes of its tiles past their ends are addresses of nothing: nothing is read or written there.

    Raises:
        StackTensorDevPtrDtype: the addresses are no 64-bit integers.
        StackTensorDevPtrOnHost: they are a host tensor that was not loaded.
        StackTensorExampleOnDevice: `tensor_like` is a device value.
    """
    raise NotImplementedError
