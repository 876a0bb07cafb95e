"""`helion-opt`."""
