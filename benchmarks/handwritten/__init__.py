"""Plain Triton kernels written by hand: what a good human version of the same blocking reaches."""
