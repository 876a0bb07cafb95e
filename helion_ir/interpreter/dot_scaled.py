"""Products of scaled numbers of few bits, decoded to float32, which holds each of them but for scales near its ends."""

from __future__ import annotations

import torch
from torch import Tensor
from xdsl.interpreter import PythonValues

from helion_ir.dialects.value import SCALE_LANES, DotScaledBase

from .state import State

_E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""The numbers of a sign-less e2m1 (OCP Microscaling Formats, 5.3.3)."""


def decoded(x: Tensor, axis: int) -> Tensor:
    """The numbers of an operand in float32; a byte is two of e2m1 along `axis`, the first one in the low bits."""
    if x.is_floating_point():
        return x.float()
    codes = torch.stack([x & 15, (x >> 4) & 15], axis + 1).flatten(axis, axis + 1).long()
    return torch.tensor([*_E2M1, *(-each for each in _E2M1)], device=x.device)[codes]


def scales(x: Tensor) -> Tensor:
    """The scales `[rows, K / 32]`, one for each number `[rows, K]`, made by their bits: 2^-127 is subnormal."""
    bits = x.int() & 255
    powers = torch.where(bits == 0, 1 << 22, torch.where(bits == 255, 0x7FC00000, bits << 23))
    return powers.int().view(torch.float32).repeat_interleave(SCALE_LANES, 1)


def dot_scaled(lhs: Tensor, lhs_scale: Tensor, rhs: Tensor, rhs_scale: Tensor) -> Tensor:
    """`(lhs · lhs_scale) @ (rhs · rhs_scale)` in float32."""
    return (decoded(lhs, 1) * scales(lhs_scale)) @ (decoded(rhs, 0) * scales(rhs_scale).T)


def evaluate(state: State, op: DotScaledBase, args: PythonValues) -> PythonValues:
    """A row of the interpreter: past the end of a tile, if there are tiles, lanes count as zero."""
    lhs, lhs_scale, rhs, rhs_scale, acc, *over = args
    operands = [lhs, lhs_scale, rhs, rhs_scale]
    for number, (tile, axis) in enumerate(zip(over, (1, 1, 0, 1), strict=False)):
        if tile.valid != tile.dim:
            operands[number] = operands[number].clone()
            operands[number].narrow(axis, tile.valid, tile.dim - tile.valid).zero_()
    return (acc + dot_scaled(*operands),)
