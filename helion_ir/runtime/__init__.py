"""Kernels at run time: lowered per config, and run on a GPU or an interpreter."""

from __future__ import annotations

from .device import get_num_sm

__all__ = ["get_num_sm"]
