"""Emitted Triton modules launched, compiled ahead of time, and their errors explained."""
