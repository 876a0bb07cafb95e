"""Canonicalization patterns of the tile level, by kind of op."""

from __future__ import annotations

from xdsl.pattern_rewriter import RewritePattern

from .scalars import SCALAR_PATTERNS
from .views import VIEW_PATTERNS

TILE_PATTERNS: tuple[RewritePattern, ...] = (*VIEW_PATTERNS, *SCALAR_PATTERNS)

__all__ = ["TILE_PATTERNS"]
