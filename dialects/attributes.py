"""Integers and strings as attributes, one object each: xDSL checks an attribute whenever it makes one."""

from __future__ import annotations

from functools import lru_cache

from xdsl.dialects.builtin import IntAttr, StringAttr


@lru_cache(maxsize=4096)
def int_attr(value: int) -> IntAttr:
    """`IntAttr(value)`; a bool counts as its number."""
    return IntAttr(int(value))


@lru_cache(maxsize=4096)
def string_attr(text: str) -> StringAttr:
    """`StringAttr(text)`."""
    return StringAttr(text)
