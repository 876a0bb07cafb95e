"""Triton source from `tl` modules."""

from __future__ import annotations

from ..load import load_source
from .module import emit
from .opt_target import TritonTarget

__all__ = ["TritonTarget", "emit", "load_source"]
