"""`hl`: the functions of the language, usable in kernels only."""

from __future__ import annotations

import difflib

from .. import exc
from .combining import associative_scan, reduce
from .compile_time import constexpr, register_block_size, register_tunable, specialize
from .debugging import device_print
from .early_launch import pdl_launch_dependents, pdl_wait
from .loops import barrier, grid, jagged_tile, static_range, tile
from .memory import (
    atomic_add,
    atomic_and,
    atomic_cas,
    atomic_max,
    atomic_min,
    atomic_or,
    atomic_xchg,
    atomic_xor,
    load,
    store,
)
from .opaque import inline_asm_elementwise, inline_triton, triton_kernel
from .random import rand, rand4x, randint
from .stack import StackTensor, stacktensor_like
from .symm_mem import signal, symm_mem_sync, wait
from .tiles import Tile, tile_begin, tile_block_size, tile_count, tile_end, tile_id, tile_index
from .values import arange, clamp, cumprod, cumsum, dot, dot_scaled, full, join, split, subscript, zeros

__all__ = [
    "StackTensor", "Tile", "arange", "associative_scan",
    "atomic_add", "atomic_and", "atomic_cas", "atomic_max", "atomic_min", "atomic_or",
    "atomic_xchg", "atomic_xor", "barrier", "clamp", "constexpr", "cumprod", "cumsum", "device_print",
    "dot", "dot_scaled", "full", "grid",
    "inline_asm_elementwise", "inline_triton", "jagged_tile", "join",
    "load", "pdl_launch_dependents", "pdl_wait", "rand", "rand4x", "randint", "reduce", "register_block_size",
    "register_tunable",
    "signal", "specialize", "split", "stacktensor_like", "static_range", "store", "subscript", "symm_mem_sync",
    "tile", "tile_begin", "tile_block_size", "tile_count", "tile_end", "tile_id", "tile_index",
    "triton_kernel", "wait", "zeros",
]  # fmt: skip

# submodules: hl.tiles would be a mistaken hl.tile
del combining, compile_time, debugging, early_launch, loops, memory, opaque, random, stack, tiles, values  # noqa: F821


def __getattr__(name: str) -> object:
    near = [] if name.startswith("_") else difflib.get_close_matches(name, __all__, 1)
    hint = f"hl.{near[0]}" if near else None
    raise exc.NoSuchFunction(f"helion_ir.language has no function {name!r}", hint=hint)
