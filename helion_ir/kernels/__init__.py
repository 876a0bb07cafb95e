"""What the user holds: kernels, their specializations, and kernels compiled under one config."""

from __future__ import annotations

from ..autotuner.best_configs import from_cache
from ..specialization.specs import TensorSpec
from .bound import BoundKernel
from .compiled import CompiledKernel, compile
from .kernel import Kernel, kernel

__all__ = ["BoundKernel", "CompiledKernel", "Kernel", "TensorSpec", "compile", "from_cache", "kernel"]
