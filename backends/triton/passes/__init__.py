"""What Triton needs done to a kernel: its schedule pass, what it would miscompile, and what does not print."""
