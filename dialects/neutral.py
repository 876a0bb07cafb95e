"""The element that a reduction does not see."""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Attribute

from .constants import Number, exact, highest, lowest


def neutral_element(kind: str, element: Attribute) -> Number:
    """`e` with `kind(x, e) == x` for every element `x`: what the padding lanes of a reduction or scan must hold."""
    if kind == "max":
        return lowest(element)
    if kind == "min":
        return highest(element)
    if kind == "and":  # all bits: -1 in signless integers, 1 in booleans
        return highest(element) if element == IntegerType(1) else -1
    number = exact({"sum": 0, "prod": 1, "or": 0, "xor": 0}[kind], element)
    assert number is not None, f"{kind} of {element}"
    return number
