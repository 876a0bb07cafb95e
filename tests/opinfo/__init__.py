"""PyTorch's own operator database as the measure of operators in device code."""
