"""The reference interpreter: runs `tile` and `tl` modules with torch on the CPU.

It is the oracle of every level: lanes that the IR leaves unspecified hold poison, and accesses out of bounds raise.
"""

from .run_tile import run_kernel
from .run_tl import run_func

__all__ = ["run_func", "run_kernel"]
