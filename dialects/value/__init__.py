"""Dialect `value`: what `arith` and `math` lack on device values, at both levels.

Elementwise ops and views are ops of this dialect in `tile` and in `tl` modules, as those of `arith` are. Reductions,
scans and products, which see the valid lanes of a tile at one level and all lanes at the other, are ops of each
level, derived from one class here.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from ..collect import ops_of
from ..quick import quicken
from . import along_axis, combine, dot_scaled, elementwise, printing, random, sort, views
from .along_axis import *
from .combine import *
from .dot_scaled import *
from .elementwise import *
from .printing import *
from .random import *
from .sort import *
from .types import ScalarConstr, ValueConstr
from .views import *

Value = Dialect("value", ops_of(elementwise, views, along_axis, random, combine, printing))
quicken(Value.operations)

__all__ = ["ScalarConstr", "Value", "ValueConstr"]
__all__ += elementwise.__all__
__all__ += views.__all__
__all__ += along_axis.__all__
__all__ += random.__all__
__all__ += combine.__all__
__all__ += dot_scaled.__all__
__all__ += sort.__all__
__all__ += printing.__all__
