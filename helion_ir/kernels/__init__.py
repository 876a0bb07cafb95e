"""What the user holds: kernels, their specializations, and kernels compiled under one config."""

from __future__ import annotations

from ..specialization.tensor_spec import TensorSpec
from .bound import BoundKernel
from .compiled import CompiledKernel
from .kernel import Kernel, compile, from_cache, kernel

__all__ = ["BoundKernel", "CompiledKernel", "Kernel", "TensorSpec", "compile", "from_cache", "kernel"]
