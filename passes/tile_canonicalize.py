"""tile-canonicalize: the canonical form of tile ops, next to xDSL's `canonicalize` for arith and scf."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from .canonicalization import TILE_PATTERNS
from .locations import rewrite


@dataclass(frozen=True)
class TileCanonicalizePass(ModulePass):
    """Apply the patterns of `passes/canonicalization` and drop what becomes dead.

    A pass of its own and no trait of the ops, as dialects do not import passes.
    """

    name = "tile-canonicalize"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, TILE_PATTERNS, dce=True)
