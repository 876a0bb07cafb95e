"""What a device value is, as a constraint on operands and results."""

from __future__ import annotations

from xdsl.dialects.builtin import AnyFloatConstr, IntegerType, TensorType
from xdsl.irdl import AnyOf, BaseAttr

ScalarConstr = AnyFloatConstr | BaseAttr(IntegerType)
"""A device scalar."""
ValueConstr = AnyOf((ScalarConstr, BaseAttr(TensorType)))
"""A device value: a scalar or a tensor."""
