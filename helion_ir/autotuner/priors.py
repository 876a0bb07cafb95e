"""Where searches begin: configs that usually do well, by what a kernel is made of.

The rows are data, of four mixes: products of matrices, products whose result is multiplied again (attention),
reductions of rows, and elementwise work. What a row says of a key that the kernel does not have, or of a value that is
not legal there, does not count; blocks shrink to the extents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from ..config import Config
from ..passes.analysis.op_mix import OpMix, free_blocks
from ..passes.fragments import Value
from ..passes.schedule import kernels
from ..sizes import next_power_of_2
from ..space.config_spec import ConfigSpec
from ..space.keys import KeySpace

Kind = Literal["m", "n", "k", "keys", "outer", "chunk", "other"]
"""What a block symbol is: rows, columns and contraction of a product; what one product makes and the next contracts;
the grid and the inner loops of other kernels; anything else (batches)."""

LARGEST_CHUNK = 1 << 16
"""Stands for a whole row."""


@dataclass(frozen=True)
class Prior:
    """One row: sizes of blocks by kind (of `k` in bytes of an operand's row), and values of other keys."""

    blocks: Mapping[Kind, int]
    options: Mapping[str, Value] = field(default_factory=dict)
    lanes: int | None = None
    """For elementwise work: lanes of a program, given to the innermost dimensions first."""


_TMA: Mapping[str, Value] = {"indexing": "tensor_descriptor"}
_PERSISTENT: Mapping[str, Value] = {"pid_type": "persistent_interleaved"}


def _product(m: int, n: int, k_bytes: int, warps: int, stages: int, **options: Value) -> Prior:
    return Prior(
        {"m": m, "n": n, "k": k_bytes}, {"num_warps": warps, "num_stages": stages, "l2_groupings": 8, **options}
    )


PRODUCTS = (
    _product(128, 256, 128, 8, 3),
    _product(128, 256, 128, 8, 4),
    _product(256, 128, 128, 8, 3),
    _product(256, 128, 128, 8, 4),
    _product(128, 256, 128, 8, 3, **_TMA, **_PERSISTENT),
    _product(128, 256, 128, 8, 4, **_TMA),
    _product(128, 128, 128, 8, 3),
    _product(128, 128, 128, 4, 3),
    _product(128, 128, 128, 4, 4),
    _product(128, 128, 128, 8, 3, **_TMA, **_PERSISTENT),
    _product(128, 128, 64, 4, 4),
    _product(64, 256, 128, 4, 4),
    _product(256, 64, 128, 4, 4),
    _product(128, 64, 128, 4, 4),
    _product(64, 128, 128, 4, 4),
    _product(64, 64, 128, 4, 4),
    _product(64, 64, 256, 4, 3),
    _product(64, 32, 128, 4, 5),
    _product(32, 64, 128, 4, 5),
    _product(32, 32, 256, 4, 4),
    _product(16, 64, 256, 4, 4),
)
"""Blockings that CUTLASS, cuBLAS and tutorials use; for extents and dtypes of all sizes."""


def _chain(m: int, keys: int, warps: int, stages: int, **options: Value) -> Prior:
    return Prior({"m": m, "keys": keys, "k": 128}, {"num_warps": warps, "num_stages": stages, **options})


CHAINS = (
    _chain(128, 128, 8, 3),
    _chain(128, 64, 8, 3),
    _chain(64, 64, 4, 3),
    _chain(128, 64, 4, 3),
    _chain(128, 128, 8, 2),
    _chain(64, 64, 4, 3, **_TMA),
    _chain(128, 128, 8, 3, pid_type="xyz"),
    _chain(64, 64, 4, 3, pid_type="xyz"),
    _chain(128, 128, 8, 3, **_TMA),
    _chain(128, 64, 8, 3, **_TMA),
    _chain(64, 128, 4, 3),
    _chain(64, 64, 4, 2),
    _chain(128, 64, 4, 2),
    _chain(128, 32, 4, 4),
    _chain(64, 32, 4, 4),
    _chain(32, 64, 4, 2),
    _chain(16, 64, 4, 2),
)
"""Blockings of flash attention on devices from A100 on."""


def _rows(rows: int, chunk: int | None, warps: int, **options: Value) -> Prior:
    blocks: dict[Kind, int] = {"outer": rows, "chunk": chunk or LARGEST_CHUNK}
    return Prior(blocks, {"num_warps": warps, "reduction_loops": chunk, **options})


ROWS = (
    *(_rows(1, None, warps) for warps in (4, 8, 16, 2, 1, 32)),
    *(_rows(2, None, warps) for warps in (4, 8, 16)),
    *(_rows(4, None, warps) for warps in (4, 8, 16)),
    *(_rows(8, None, warps) for warps in (4, 8)),
    *(_rows(1, chunk, warps) for chunk in (1024, 2048, 4096) for warps in (4, 8)),
    _rows(1, 4096, 16),
    _rows(2, 1024, 4),
    _rows(2, 2048, 8),
    _rows(16, None, 4),
    _rows(1, None, 8, num_sm_multiplier=4, **_PERSISTENT),
)
"""Rows of a program × whole or in chunks × warps."""


def _lanes(lanes: int, warps: int, **options: Value) -> Prior:
    return Prior({}, {"num_warps": warps, **options}, lanes)


ELEMENTWISE = (
    *(_lanes(lanes, 4) for lanes in (1024, 2048, 512, 4096, 256)),
    *(_lanes(lanes, 8) for lanes in (2048, 4096, 8192)),
    _lanes(128, 1),
    _lanes(2048, 4, num_sm_multiplier=8, **_PERSISTENT),
)
"""Lanes of a program × warps: 4 to 32 lanes a thread."""


def priors(spec: ConfigSpec) -> list[Config]:
    """The configs that a search of `spec` begins with, each once; legal, best first."""
    mixes = [OpMix.of(kernel) for kernel in kernels(spec.module)]
    return list(dict.fromkeys(_config(spec, mixes, prior) for prior in _rows_of(spec, mixes)))


def _rows_of(spec: ConfigSpec, mixes: Sequence[OpMix]) -> Sequence[Prior]:
    kinds = {kind_of(mix, symbol) for mix in mixes for symbol in mix.extents}
    if "keys" in kinds:
        return CHAINS
    if any(mix.has_dot for mix in mixes):
        return PRODUCTS
    return ROWS if "chunk" in kinds or "reduction_loops" in spec.keys else ELEMENTWISE


def kind_of(mix: OpMix, symbol: str) -> Kind:
    """What a block symbol is to its kernel."""
    roles = mix.roles.get(symbol, set())
    if roles >= {"n", "k"}:
        return "keys"
    for kind in ("m", "n", "k"):
        if roles == {kind}:
            return kind
    if mix.has_dot:
        return "other"
    return "chunk" if symbol in mix.reduced else "outer"


def _config(spec: ConfigSpec, mixes: Sequence[OpMix], prior: Prior) -> Config:
    values: dict[str, object] = dict(spec.default_config().config)
    if "block_sizes" in spec.keys:
        values["block_sizes"] = [size for mix in mixes for size in _sizes(mix, prior)]
    for name, value in prior.options.items():
        if name in spec.keys:
            values[name] = _everywhere(spec.keys[name], value)
    return spec.repair(values)


def _sizes(mix: OpMix, prior: Prior) -> Iterator[int]:
    """The sizes of the free blocks of a kernel, in order."""
    defaults = mix.default_blocks()
    blocks = dict(free_blocks(mix.kernel))
    wanted = {symbol: prior.blocks.get(kind_of(mix, symbol)) for symbol in blocks}
    if prior.lanes is not None:
        wanted = _spread(mix, prior.lanes)
    for symbol, block in blocks.items():
        size = wanted[symbol]
        if size is not None and kind_of(mix, symbol) == "k":
            size //= mix.operand_bytes
        low, high = next_power_of_2(block.min.data), mix.size_limit(symbol, block)
        yield defaults[symbol] if size is None else max(min(size, high), low)


def _spread(mix: OpMix, lanes: int) -> dict[str, int | None]:
    """`lanes` over the blocks of a kernel, the innermost filled first."""
    sizes: dict[str, int | None] = {}
    for symbol, block in reversed(list(free_blocks(mix.kernel))):
        size = max(min(lanes, mix.size_limit(symbol, block)), 1)
        sizes[symbol] = size
        lanes = max(lanes // size, 1)
    return sizes


def _everywhere(space: KeySpace, value: Value) -> object:
    """`value` at every site where it is legal, the default elsewhere."""
    entries = [value if fragment.contains(value) else fragment.default() for fragment in space]
    return cast("object", entries[0]) if space.key.scalar else entries


__all__ = ["Prior", "kind_of", "priors"]
