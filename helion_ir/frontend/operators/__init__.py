"""The operators: what each PyTorch function and each subscript becomes in `tile`."""
