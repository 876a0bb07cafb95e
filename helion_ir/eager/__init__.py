"""The eager reference (`HELION_INTERPRET=1`): a kernel's own Python on real tensors, with `print` and `breakpoint`.

Each loop has one tile, of its whole extent, unless the kernel gives a block size. Loads, stores and atomics go lane by
lane (`memory`), values of different ranks align by their tiles (`alignment`), everything else is PyTorch's own.
"""

from .run import run_eagerly

__all__ = ["run_eagerly"]
