"""Stack tensors of the eager reference: the tensors at some addresses of this process, as PyTorch's."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from .. import exc
from ..language.stack import StackTensor
from .memory import load, store
from .tiles import axes_of, mark


class EagerStack(StackTensor):
    """The tensors at `dev_ptrs`, alike `tensor_like`, of this process' memory."""

    @staticmethod
    def of(example: torch.Tensor, pointers: torch.Tensor) -> EagerStack:
        """What `hl.stacktensor_like` gives; only memory of the host has an address here."""
        if pointers.dtype not in (torch.int64, torch.uint64):
            raise exc.StackTensorDevPtrDtype(f"addresses are int64 or uint64, not {pointers.dtype}")
        if example.device.type != "cpu":
            raise exc.InvalidAPIUsage(f"hl.stacktensor_like cannot run in eager mode on {example.device}")
        return EagerStack(example, pointers)

    def _tensors(self) -> list[torch.Tensor]:
        like = self.tensor_like
        if not like.numel():
            return [like] * self.dev_ptrs.numel()
        reach = 1 + sum((size - 1) * stride for size, stride in zip(like.shape, like.stride(), strict=True))
        found: list[torch.Tensor] = []
        for address in self.dev_ptrs.to(torch.int64).reshape(-1).tolist():
            buffer = (ctypes.c_byte * (reach * like.itemsize)).from_address(address)
            found.append(torch.frombuffer(buffer, dtype=like.dtype).as_strided(like.shape, like.stride()))
        return found

    def load(self, index: Any, mask: torch.Tensor | None) -> torch.Tensor:
        """What a subscript reads, with the shape of the addresses in front."""
        parts = [load(tensor, index) for tensor in self._tensors()]
        shape = (*self.dev_ptrs.shape, *parts[0].shape)
        value = torch.stack(parts).view(shape)
        if mask is not None:
            value = torch.where(mask, value, torch.zeros((), dtype=value.dtype))
        return mark(value, (*axes_of(self.dev_ptrs), *axes_of(parts[0])))

    def store(self, index: Any, value: Any, mask: torch.Tensor | None) -> None:
        """A subscript takes a value, which broadcasts along the addresses."""
        tensors, lead = self._tensors(), self.dev_ptrs.dim()
        rest = load(tensors[0], index).shape

        def each(whole: Any) -> Any:
            """What each tensor gets of a value or a mask."""
            if whole is None or lead == 0:
                return [whole] * len(tensors)
            return torch.as_tensor(whole).broadcast_to((*self.dev_ptrs.shape, *rest)).flatten(0, lead - 1)

        for tensor, part, lanes in zip(tensors, each(value), each(mask), strict=True):
            store(tensor, index, part, lanes)

    def __getitem__(self, index: Any) -> torch.Tensor:
        with torch._C.DisableTorchFunction():
            return self.load(index, None)

    def __setitem__(self, index: Any, value: Any) -> None:
        with torch._C.DisableTorchFunction():
            self.store(index, value, None)
