"""The element that a reduction does not see."""

from __future__ import annotations

import math

from xdsl.dialects.builtin import Float8E4M3FNType, IntegerType
from xdsl.ir import Attribute

_LARGEST: dict[type[Attribute], float] = {Float8E4M3FNType: 448.0}
"""Types without infinities: their largest finite value."""


def neutral_element(kind: str, element: Attribute) -> float | int:
    """`e` with `kind(x, e) == x`: what the padding lanes of a reduction or scan of `kind` must hold."""
    if isinstance(element, IntegerType):
        return _neutral_integer(kind, element.width.data)
    top = _LARGEST.get(type(element), math.inf)
    return {"sum": 0.0, "prod": 1.0, "max": -top, "min": top}[kind]


def _neutral_integer(kind: str, width: int) -> int:
    if width == 1:  # booleans order False < True; the attribute of True is -1 in i1
        return {"sum": 0, "or": 0, "xor": 0, "max": 0, "and": 1, "min": 1, "prod": 1}[kind]
    highest = (1 << (width - 1)) - 1
    table = {"sum": 0, "prod": 1, "max": -highest - 1, "min": highest, "and": -1, "or": 0, "xor": 0}
    return table[kind]
