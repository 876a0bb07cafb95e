"""Sizes, scalars and symbols: the numbers of a trace, and what PyTorch asks of them."""
