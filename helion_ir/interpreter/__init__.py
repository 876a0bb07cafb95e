"""The reference interpreter: runs `tile` and `tl` modules with torch on the CPU.

It is the oracle of every level: lanes that the IR leaves unspecified hold poison, and accesses out of bounds raise.
"""

from .opaque import implements
from .peers import MeetingTimeoutError
from .random import philox
from .run_tile import run_kernel
from .run_tl import run_func

__all__ = ["MeetingTimeoutError", "implements", "philox", "run_func", "run_kernel"]
