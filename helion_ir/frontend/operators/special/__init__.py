"""Special functions, written in other operators: so every level and every target has them."""

from . import airy, bessel, blends, gamma, incomplete_gamma, normal, orthogonal, representation, whole_numbers

__all__ = [
    "airy",
    "bessel",
    "blends",
    "gamma",
    "incomplete_gamma",
    "normal",
    "orthogonal",
    "representation",
    "whole_numbers",
]
