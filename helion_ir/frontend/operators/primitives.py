"""Primitives (`prims`) that PyTorch's references use: they mean what the ATen operators of their names mean."""

from __future__ import annotations

from . import conversions as _conversions  # noqa: F401 - registers the operators
from . import pointwise as _pointwise  # noqa: F401
from . import predicates as _predicates  # noqa: F401
from .table import LOWERINGS, aten, prims

_SAME = (
    "abs neg add sub mul eq ne lt le gt ge maximum minimum fmax fmin atan2 exp exp2 expm1 log log1p log2 log10 sqrt "
    "rsqrt sin cos tan tanh erf floor ceil trunc sign reciprocal bitwise_and bitwise_or bitwise_xor bitwise_not "
    "fmod remainder where"
)
_OVERLOADS = ("Tensor", "self", "default")

for _name in _SAME.split():
    _operator = getattr(aten, _name)
    _overload = next(overload for overload in _OVERLOADS if overload in _operator.overloads())
    LOWERINGS.setdefault(getattr(prims, _name).default, LOWERINGS[getattr(_operator, _overload)])
