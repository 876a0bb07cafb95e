"""Random kernels against PyTorch: `python -m tests.fuzz --seconds 60`; see tests/README.md."""
