"""Names of an emitted module: what is taken, and identifiers that are unique in a function.

Names with a leading underscore are the module's own (constexprs, helpers, the kernel); a user's get a letter before it.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from functools import lru_cache

MODULES = {
    "torch": "torch", "triton": "triton", "tl": "triton.language", "libdevice": "triton.language.extra.libdevice",
}  # fmt: skip
"""What an emitted module imports, by the name that it has there."""

LAUNCH = "__launch__"
"""The call that stands for the launch in host text."""

BUILTINS = frozenset((
    "range", "float", "int", "bool", "abs", "round", "min", "max", "print", "len", "RuntimeError",
))  # fmt: skip
"""Python's own names that an emitted module may use."""

LAUNCH_OPTIONS = frozenset((
    "num_warps", "num_stages", "num_ctas", "maxnreg", "debug", "instrumentation_mode", "sanitize_overflow",
    "launch_pdl", "launch_cooperative_grid", "enable_fp_fusion", "grid", "warmup",
))  # fmt: skip
"""What a launch may take by keyword, beside the parameters of the kernel."""

RESERVED = frozenset(keyword.kwlist) | MODULES.keys() | LAUNCH_OPTIONS | {"range", "float", "print"}
"""What a variable of a device function cannot be called."""

HELPERS = frozenset((
    "_max", "_min", "_fmax", "_fmin", "_prod", "_sum", "_and", "_or", "_xor", "_argmax", "_argmin", "_floordiv",
    "_ceildiv", "_ceildiv_unsigned", "_trailing_zeros", "_power", "_alloc", "_argsort",
    "_exchange", "_log2", "_philox", "_second",
))  # fmt: skip
"""Functions that an emitted module may define for itself."""

_NO_ASCII = re.compile(r"[^A-Za-z0-9_]")
_OWN = re.compile(
    r"v*(_BLOCK_SIZE_\d+|_RBLOCK_SIZE_\d+|_LANES_\w+|_NUM_SM|_S\d+|_alloc|__launch__|__cdiv__|__next_power_of_2__|__multiprocessors__)"
)
_SHADOWING = re.compile(rf"v*({'|'.join(sorted(MODULES.keys() | BUILTINS))})")


def host_name(name: str, own: str = "") -> str:
    """The name that a variable of the user's host function has in the emitted one, where those that the module itself
    uses mean something else; `own` is the kernel's. Different names stay different."""
    taken = _OWN.fullmatch(name) or _SHADOWING.fullmatch(name) or (own and name.lstrip("v") == f"_{own}")
    return f"v{name}" if taken else name


def kernel_name(name: str) -> str:
    """The name of a kernel's host function, in ASCII, where one of the module's own means something else; that of the
    device function is the same after an underscore."""
    name = _NO_ASCII.sub("_", name)
    base = name.lstrip("v")
    return f"v{name}" if base in MODULES.keys() | BUILTINS | {LAUNCH} or f"_{base}" in HELPERS else name


@lru_cache(maxsize=256)
def block_param(symbol: str) -> str:
    """The constexpr parameter of a block symbol, which host code may name, too: `b0` is `_BLOCK_SIZE_0`, a chunk
    symbol `r0` `_RBLOCK_SIZE_0`."""
    match = re.fullmatch(r"([br])(\d+)", symbol)
    return f"_{symbol.upper()}" if match is None else f"_{'R' if match[1] == 'r' else ''}BLOCK_SIZE_{match[2]}"


def value_name(name: str) -> str:
    """A name of the user's as the name of a value: of ASCII characters."""
    return name if name.isascii() else _NO_ASCII.sub("_", name)


@lru_cache(maxsize=4096)
def identifier(hint: str) -> str:
    """`hint` as an identifier of ASCII characters without a leading underscore."""
    name = _NO_ASCII.sub("_", hint)
    return f"v{name}" if name.startswith("_") else name if name.isidentifier() else f"v_{name}"


class NameScope:
    """Hands out identifiers that are unique in a function."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*RESERVED, *taken}
        self._next: dict[str, int] = {}

    def fresh(self, base: str, *, numbered: bool = False) -> str:
        """`base`, or `base_1`, `base_2` …; always with a number if `numbered`."""
        name = f"{base}_0" if numbered else base
        count = self._next.get(base, 0)
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._next[base] = count
        self._taken.add(name)
        return name


__all__ = ["HELPERS", "RESERVED", "NameScope", "host_name", "identifier", "kernel_name"]
