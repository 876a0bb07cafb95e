"""The Triton backend: printed sources, names, compilation for GPUs that are not here."""
