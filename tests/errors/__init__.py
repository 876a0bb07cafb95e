"""Mistakes: the class of the error, its message and its place."""
