"""Configs, settings and the search space."""
