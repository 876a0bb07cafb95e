"""Whole kernels through the whole compiler, against PyTorch in float64."""
