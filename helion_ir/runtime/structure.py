"""What of a config changes the lowered module, and what is only a value that its launch passes.

Most configs of a search differ from one before in warps, stages, or in block sizes that leave every mask and shape
as it was. The lowered module is then the same but for constexpr values and launch options, so it is lowered and
printed once for all of them; only the host function is printed again.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.dialects.builtin import DictionaryAttr, ModuleOp
from xdsl.ir import SSAValue

from ..backends.triton.relaunch import Relaunch
from ..config import Config
from ..dialects.attributes import int_attr
from ..dialects.tile import KernelOp, TileType
from ..dialects.tl import FuncOp
from ..passes.analysis.bounds import tile_exact
from ..passes.analysis.op_mix import free_blocks
from ..passes.fragments import is_power_of_two

LAUNCH_KEYS = ("num_warps", "num_stages", "maxnreg")
"""Config keys that are options of the launch alone."""

_LANES = 32
"""No shape rule of Triton tells sizes from here on apart (the largest minimum of a dot's K, for 8-bit operands)."""


def only_kernel(module: ModuleOp) -> KernelOp:
    """The one `tile.kernel` of a module."""
    return next(op for op in module.body.block.ops if isinstance(op, KernelOp))


def only_func(module: ModuleOp) -> FuncOp:
    """The one `tl.func` of a module."""
    return next(op for op in module.body.block.ops if isinstance(op, FuncOp))


def block_param(symbol: str) -> str:
    """The constexpr parameter that the conversion to `tl` makes of a block symbol; host code may name it, too."""
    return f"_BLOCK_SIZE_{symbol.removeprefix('b')}"


class StructureKeys:
    """The structure keys of one kernel's normalized configs: configs of equal key lower to equal modules."""

    def __init__(self, module: ModuleOp) -> None:
        kernel = only_kernel(module)
        self._symbols = [symbol for symbol, _ in free_blocks(kernel)]
        self._fixed = kernel.block_size_values
        self._tiles = list(_tiles_of_blocks(kernel))

    def sizes(self, config: Mapping[str, object]) -> dict[str, int]:
        """Block symbol → size, for the symbols that the config chooses."""
        return dict(zip(self._symbols, cast("Sequence[int]", config.get("block_sizes", ())), strict=False))

    def key(self, config: Config) -> Hashable:
        """Every key but those of the launch; of a block size only what masks and shapes depend on."""
        chosen = self.sizes(config)
        sizes = {**self._fixed, **chosen}
        rest = [(key, value) for key, value in config.items() if key not in (*LAUNCH_KEYS, "block_sizes")]
        return (
            repr(rest),  # normalized, so in one order and spelling; quicker than hashing nested lists
            config.get("maxnreg") is None,
            tuple([(min(size, _LANES), is_power_of_two(size)) for size in chosen.values()]),
            tuple([tile_exact(tile, sizes) for tile in self._tiles]),
            tuple(chosen.values()) if _has_descriptors(config) else None,
            (config.get("num_warps"), config.get("num_stages")) if _specializes_warps(config) else None,
        )


def _tiles_of_blocks(kernel: KernelOp) -> list[SSAValue]:
    """Every tile value of a kernel."""
    values: list[SSAValue] = []
    for op in kernel.walk():
        values.extend(op.results)
        values.extend(arg for region in op.regions for block in region.blocks for arg in block.args)
    return [value for value in values if isinstance(value.type, TileType)]


def _specializes_warps(config: Mapping[str, object]) -> bool:
    """Whether a loop may keep an option or not depending on the launch's warps and stages."""
    return any(cast("Sequence[object]", config.get("range_warp_specializes", ())))


def _has_descriptors(config: Mapping[str, object]) -> bool:
    """Whether an access may be honoured or not depending on its block's exact size."""
    lists = (cast("Sequence[object]", config.get(key, ())) for key in ("indexing", "atomic_indexing"))
    return any(value != "pointer" for values in lists for value in values)


@dataclass(frozen=True)
class Structure:
    """What configs of one structure key share."""

    module: ModuleOp
    text: Relaunch
    block_params: dict[str, str]
    """Block symbols that a config chooses, and the constexpr parameter that holds each."""

    @classmethod
    def of(cls, module: ModuleOp, symbols: Sequence[str]) -> Structure:
        """The structure of a lowered module; `symbols` are the block symbols that a config chooses."""
        params = {symbol: block_param(symbol) for symbol in symbols}
        present = only_func(module).constexprs.data
        return cls(module, Relaunch.of(module), {s: p for s, p in params.items() if p in present})


@dataclass(frozen=True)
class Lowered:
    """One config's kernel: a structure, and the values of its constexpr parameters and launch options."""

    config: Config
    structure: Structure
    constexprs: DictionaryAttr
    options: DictionaryAttr

    @classmethod
    def of(cls, structure: Structure, config: Config, sizes: Mapping[str, int]) -> Lowered:
        """A config that shares `structure`; `sizes` are the block sizes it chooses."""
        constexprs = dict(only_func(structure.module).constexprs.data)
        for symbol, param in structure.block_params.items():
            constexprs[param] = int_attr(sizes[symbol])
        options = {key: int_attr(cast("int", config[key])) for key in LAUNCH_KEYS if config.get(key) is not None}
        return cls(config, structure, DictionaryAttr(constexprs), DictionaryAttr(options))

    @property
    def source(self) -> str:
        """The Triton module."""
        return self.structure.text.source(self.constexprs, self.options)

    def module(self) -> ModuleOp:
        """The `tl` module of this config (a copy)."""
        module = self.structure.module.clone()
        func = only_func(module)
        func.constexprs, func.options = self.constexprs, self.options
        return module
