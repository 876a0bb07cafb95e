"""Kernels at run time: specialization, lowering per config, execution."""

from __future__ import annotations

from .best_configs import from_cache
from .bound import BoundKernel
from .compiled import CompiledKernel, compile
from .device import get_num_sm
from .kernels import Kernel, kernel
from .specialization.specs import TensorSpec

__all__ = ["BoundKernel", "CompiledKernel", "Kernel", "TensorSpec", "compile", "from_cache", "get_num_sm", "kernel"]
