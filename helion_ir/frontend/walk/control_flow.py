"""Loops and branches: bodies are walked, and what they change is carried through SSA values."""

from __future__ import annotations

from .branches import Branches
from .loops import Loops


class ControlFlow(Loops, Branches):
    """Emits loops and branches around bodies that are given as functions."""
