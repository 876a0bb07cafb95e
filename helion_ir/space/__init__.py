"""The search space of a kernel: the keys of its configs, their legal values, and what completes a config."""
