"""Philox 4x32-10, counted as Triton does, in 64-bit integers of torch."""

from __future__ import annotations

import torch
from torch import Tensor

LOW = 0xFFFFFFFF
KEYS, FACTORS, ROUNDS = (0x9E3779B9, 0xBB67AE85), (0xD2511F53, 0xCD9E8D57), 10
"""Constants of Philox 4x32: Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011)."""


def philox(seed: Tensor, offset: Tensor) -> tuple[Tensor, ...]:
    """The four int32 draws of each lane, for int64 seeds, and offsets of 32 or 64 bits."""
    wide = offset.to(torch.int64)
    zero = torch.zeros_like(wide)
    counter = [wide & LOW, zero if offset.dtype == torch.int32 else (wide >> 32) & LOW, zero, zero]
    key = [seed & LOW, (seed >> 32) & LOW]
    for _ in range(ROUNDS):
        even, odd = counter[0] * FACTORS[0], counter[2] * FACTORS[1]  # modulo 2**64: the bits are right
        counter = [
            ((odd >> 32) & LOW) ^ counter[1] ^ key[0], odd & LOW,
            ((even >> 32) & LOW) ^ counter[3] ^ key[1], even & LOW,
        ]  # fmt: skip
        key = [(part + raised) & LOW for part, raised in zip(key, KEYS, strict=True)]
    return tuple([draw.to(torch.int32) for draw in counter])
