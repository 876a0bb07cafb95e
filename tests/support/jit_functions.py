"""Triton functions that kernels of the tests call."""

from __future__ import annotations

import math

import triton
import triton.language as tl
from triton.language.standard import cdiv as ceil_div

FACTOR = tl.constexpr(3)
PLAIN = 7
MODES = ("add", 2)


@triton.constexpr_function
def twice(value):
    return value * 2


@triton.jit
def helper(x, FLAG: tl.constexpr):
    if FLAG:
        return x * FACTOR
    return x + ceil_div(5, 2)


alias = helper


@triton.jit
def scaled(x, factor, FLAG: tl.constexpr = True):
    return alias(x, FLAG) * factor + twice(2)


@triton.jit
def shifted(x):
    return helper(x, False) - 1


@triton.jit
def swap(a, b):
    return b, a


@triton.jit
def store_at(pointers, i, value):
    tl.store(pointers[i] + i, value)


@triton.jit
def uses_math(x):
    return x * math.pi


def plain(x):
    return x


def other_helper():
    """A function whose helper has the name of another's."""
    FACTOR = tl.constexpr(5)

    @triton.jit
    def conflicting(x):
        return x * FACTOR

    return conflicting


conflicting = other_helper()
