"""Specialization: what of a call, and of all that tracing read, decides which kernel serves it."""
