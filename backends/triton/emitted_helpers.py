"""Jit functions that an emitted module defines for itself where it needs them."""

from __future__ import annotations

_PROPAGATE = "propagate_nan=tl.PropagateNan.ALL"


def _arg_combine(better: str) -> str:
    return f"""(value, index, other, other_index):
    nan = value != value
    other_nan = other != other
    wins = (value {better} other) | (nan & (other == other))
    tie = (value == other) | (nan & other_nan)
    wins = wins | (tie & (index < other_index))
    return tl.where(wins, value, other), tl.where(wins, index, other_index)"""


_SOURCES = {
    "_max": f"(a, b):\n    return tl.maximum(a, b, {_PROPAGATE})",
    "_min": f"(a, b):\n    return tl.minimum(a, b, {_PROPAGATE})",
    "_fmax": "(a, b):\n    return tl.maximum(a, b)",
    "_fmin": "(a, b):\n    return tl.minimum(a, b)",
    "_prod": "(a, b):\n    return a * b",
    "_sum": "(a, b):\n    return a + b",
    "_and": "(a, b):\n    return a & b",
    "_or": "(a, b):\n    return a | b",
    "_xor": "(a, b):\n    return a ^ b",
    "_argmax": _arg_combine(">"),
    "_argmin": _arg_combine("<"),
    "_floordiv": """(a, b):
    quotient = a // b
    return tl.where((a % b != 0) & ((a < 0) != (b < 0)), quotient - 1, quotient)""",
    "_ceildiv": """(a, b):
    quotient = a // b
    return tl.where((a % b != 0) & ((a < 0) == (b < 0)), quotient + 1, quotient)""",
    "_ceildiv_unsigned": """(a, b):
    quotient = a // b
    return tl.where(a % b != 0, quotient + 1, quotient)""",
    "_power": """(a, b):
    result = a * 0 + 1
    factor = a
    left = b
    for _ in range(a.dtype.primitive_bitwidth - 1):
        result = tl.where((left & 1) != 0, result * factor, result)
        factor = factor * factor
        left = left >> 1
    root = tl.where((a == 1) | ((a == -1) & ((b & 1) == 0)), 1, tl.where(a == -1, -1, 0))
    return tl.where(b < 0, root.to(a.dtype), result)""",
    "_philox": """(seed, offset):
    a, b, c, d = tl.randint4x(seed, offset + tl.full([], 0, tl.int32))
    a, b = a.to(tl.int32, bitcast=True), b.to(tl.int32, bitcast=True)
    return a, b, c.to(tl.int32, bitcast=True), d.to(tl.int32, bitcast=True)""",
    "_second": """(n: tl.constexpr, axis: tl.constexpr):
    return tl.reshape(tl.arange(0, 2), [1] * axis + [2] + [1] * (n - axis)) != 0""",
    "_exchange": """(key, index, n: tl.constexpr, axis: tl.constexpr, run: tl.constexpr):
    other = tl.sum(key, axis, keep_dims=True) - key
    other_index = tl.sum(index, axis, keep_dims=True) - index
    takes = (other < key) | ((other == key) & (other_index < index))
    takes = takes ^ _second(n, axis)
    if run > 0:
        takes = takes ^ _second(n, run)
    return tl.where(takes, other, key), tl.where(takes, other_index, index)""",
    "_argsort": """(keys, rows: tl.constexpr, lanes: tl.constexpr):
    n: tl.constexpr = _log2(lanes)
    cube: tl.constexpr = [rows] + [2] * n
    index = tl.reshape(tl.broadcast_to(tl.arange(0, lanes)[None, :], [rows, lanes]), cube)
    key = tl.reshape(keys, cube)
    for level in tl.static_range(1, n + 1):
        for step in tl.static_range(level):
            key, index = _exchange(key, index, n, n - level + 1 + step, n - level)
    return tl.reshape(index, keys.shape)""",
    "_trailing_zeros": """(a):
    return libdevice.popc((a & -a) - 1)""",
}

HELPERS = {
    "_log2": "@triton.constexpr_function\ndef _log2(n):\n    return n.bit_length() - 1\n",
    **{name: f"@triton.jit\ndef {name}{rest}\n" for name, rest in _SOURCES.items()},
}
"""Source of each helper by name, in the order in which a module defines them.

`_argmax` and `_argmin` combine (value, index) pairs as torch does: a NaN wins, and of equals the lowest index.
`_argsort` is a bitonic network over (key, lane) pairs, which are all different, with an axis of two for each bit of the
lane's number, as layouts hold it: `_exchange` leaves the lesser of two pairs first along `axis`, or the greater in the
second half along `run`.
`_power` wraps around as torch's does; of a negative exponent only 1 and -1 leave something.
`_floordiv` and `_ceildiv` correct the quotient, which Triton truncates toward zero.
"""

ALLOCATOR = """def _alloc(size: int, alignment: int, stream: int | None) -> torch.Tensor:
    return torch.empty(size, dtype=torch.int8, device="cuda")
"""
"""Scratch memory for tensor descriptors that a kernel makes on the device."""
