"""Programmatic dependent launch: kernels that start before the one before them has ended."""

from __future__ import annotations

from .api import api


@api(host=True)
def pdl_wait() -> None:
    """Wait until the kernel before this one has ended, and see what it wrote.

    The kernel may then start early, when that one calls `pdl_launch_dependents`: what stands before the wait overlaps
    with it, and must neither read what it writes nor write anything. It stands in every top-level loop, outside of
    inner loops and branches. NVIDIA's GPUs from sm_90 on; elsewhere nothing starts early, and nothing waits.
    """


@api(host=True)
def pdl_launch_dependents() -> None:
    """Let the kernel after this one start, once all programs have come here or ended; it waits by `pdl_wait`."""
