"""Python's builtin functions and those of `math` on numbers that are known at run time only.

A call of such a function in device code is looked up here by the function itself. Its arguments are numbers of the
trace (`SymInt`, `SymFloat`, `SymBool`) or scalar device tensors; what it returns is a number of the type that
Python's would be.
"""

from __future__ import annotations

import ast
import builtins
import math
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from ... import exc
from ...language.tiles import Tile
from ..operators.table import LOWERINGS, aten
from ..rewriting import ATTRIBUTE, ITEM, OPERATORS, SLICE, VALUE
from ..source import for_user, subscribes
from ..symbols.nodes import BoolNode, FloatNode
from ..tensors import DeviceTensor, TracedTensor
from ..tracer import Tracer

NUMBERS = (torch.SymInt, torch.SymFloat, torch.SymBool)
Function = Callable[..., Any]

_FLOATS: dict[Function, Any] = {
    getattr(math, name): getattr(aten, overload).default
    for name, overload in {
        "sqrt": "sqrt", "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log2": "log2", "log10": "log10",
        "log1p": "log1p", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "asin", "acos": "acos", "atan": "atan",
        "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "asinh", "acosh": "acosh", "atanh": "atanh",
        "erf": "erf", "erfc": "erfc", "lgamma": "lgamma", "fabs": "abs", "degrees": "rad2deg", "radians": "deg2rad",
    }.items()
}  # fmt: skip
"""Functions of one float, with the operator that is the same function of a tensor."""
_PAIRS: dict[Function, Any] = {
    math.atan2: aten.atan2.default, math.hypot: aten.hypot.default, math.copysign: aten.copysign.Tensor,
    math.fmod: aten.fmod.Tensor,
}  # fmt: skip
_TESTS: dict[Function, Any] = {math.isnan: aten.isnan.default, math.isinf: aten.isinf.default}


def python_function(tracer: Tracer, function: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """The result of a call of a function of Python's on run-time numbers; `NotImplemented` for any other call."""
    try:
        known = function in (_TABLE if tracer.in_device else _ON_HOST)
    except TypeError:
        return NotImplemented
    if function is type and len(args) == 1:
        return python_type(args[0])
    if function is isinstance and len(args) == 2 and _has_type(args[0]):
        return issubclass(python_type(args[0]), args[1])
    if not known or not any(_is_number(arg) for arg in args):
        return NotImplemented
    if kwargs:
        raise exc.InvalidAPIUsage(f"{function.__name__}() of run-time numbers takes no keyword arguments")
    return _TABLE[function](tracer, *args)


@for_user
def with_values(tracer: Tracer, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a call; what takes no run-time truth value, or number, gets the value, which joins the key."""
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        failure = error
    for kinds in ((torch.SymBool,), NUMBERS):
        given = (*args, *kwargs.values())
        owner = getattr(function, "__self__", None)
        if _is_kind(owner, kinds):
            function = getattr(_value(tracer, owner, kinds), function.__name__)
        elif not _holds(given, kinds):
            continue
        args = tuple(_value(tracer, value, kinds) for value in args)
        kwargs = {key: _value(tracer, value, kinds) for key, value in kwargs.items()}
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            failure = error
    raise failure


def _is_kind(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, Tile)


def _holds(value: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a value is a number of these kinds, or a list or tuple with one."""
    inside = isinstance(value, list | tuple) and not isinstance(value, torch.Size)
    return _is_kind(value, kinds) or (inside and any(_holds(each, kinds) for each in value))


def _value(tracer: Tracer, value: Any, kinds: tuple[type, ...]) -> Any:
    """Numbers of these kinds by their values; a truth value that only the device knows as an integer."""
    if not _holds(value, kinds):
        return value
    if isinstance(value, list | tuple):
        parts = [_value(tracer, each, kinds) for each in value]
        return getattr(value, "_make", type(value))(parts)
    unknown = isinstance(value, torch.SymBool) and value.node.hint is None
    return _int(tracer, value) if unknown and tracer.in_device else tracer.constant(value)


def known_values(tracer: Tracer, value: Any) -> Any:
    """What the arguments decide of numbers and containers of them, by value; what only the device knows as it is."""
    if isinstance(value, dict):
        return {key: known_values(tracer, each) for key, each in value.items()}
    if isinstance(value, list | tuple) and _holds(value, NUMBERS):
        return getattr(value, "_make", type(value))([known_values(tracer, each) for each in value])
    try:
        return tracer.constant(value) if _is_kind(value, NUMBERS) else value
    except exc.Base:
        return value


def expression_functions(tracer: Tracer) -> dict[str, Function]:
    """What expressions of the user's are rewritten to call."""

    def operator_function(function: Function) -> Function:
        @for_user
        def apply(*operands: Any) -> Any:
            if not any(isinstance(value, NUMBERS) for value in operands):
                return function(*operands)
            if function in _ARITHMETIC:  # PyTorch would ask for the value of a truth value
                operands = tuple(_value(tracer, each, (torch.SymBool,)) for each in operands)
            return with_values(tracer, function, operands, {})

        return apply

    return {
        ITEM: partial(item, tracer), SLICE: slice, VALUE: partial(_hashable, tracer),
        ATTRIBUTE: partial(_attribute, tracer),
        **{OPERATORS[kind]: operator_function(function) for kind, function in _OPERATORS.items()},
    }  # fmt: skip


@subscribes
def item(tracer: Tracer, container: Any, index: Any) -> Any:
    """`container[index]`."""
    if isinstance(container, torch.Tensor):
        return container[index]
    return with_values(tracer, operator.getitem, (container, index), {})


def _hashable(tracer: Tracer, value: Any) -> Any:
    return tracer.constant(value) if _holds(value, NUMBERS) else value


def _attribute(tracer: Tracer, owner: Any, name: str) -> Any:
    if not _is_kind(owner, NUMBERS):
        return getattr(owner, name)
    return python_type(owner) if name == "__class__" else getattr(tracer.constant(owner), name)


def python_type(value: Any) -> type:
    """The type that a value has in Python, where no kernel is traced."""
    if isinstance(value, TracedTensor):
        return torch.Tensor
    kind = type(value)
    return {torch.SymInt: int, torch.SymFloat: float, torch.SymBool: bool}.get(kind, kind)


def _has_type(value: Any) -> bool:
    return type(value) in NUMBERS


def inverted(value: Any) -> Any:
    """`~value`: of integers `-value - 1`, of anything else Python's."""
    if isinstance(value, torch.SymInt) and not isinstance(value, Tile):
        return -value - 1
    plain: Any = int(value) if isinstance(value, torch.SymBool) else value
    return ~plain


def power(base: Any, exponent: Any) -> Any:
    """`base ** exponent`: an integer for integers and exponents that are not negative, else a float."""
    values = [_unit(base), _unit(exponent)]
    if not any(isinstance(value, torch.SymInt | torch.SymFloat) for value in values):
        return base**exponent
    if not all(isinstance(value, int | float | torch.SymInt | torch.SymFloat) for value in values):
        return base**exponent
    if all(isinstance(value, int | torch.SymInt) for value in values) and values[1] >= 0:
        return values[0] ** values[1]
    return _of_two_floats("float_pow", values)


def inplace_power(base: Any, exponent: Any) -> Any:
    """`base **= exponent`."""
    return operator.ipow(base, exponent) if hasattr(base, "__ipow__") else power(base, exponent)


def floor_division(a: Any, b: Any) -> Any:
    """`a // b`: PyTorch's numbers would round the quotient of two floats first."""
    values = [_unit(a), _unit(b)]
    floats = [isinstance(value, float | torch.SymFloat) for value in values]
    numbers = all(isinstance(value, int | float | torch.SymInt | torch.SymFloat) for value in values)
    if not (numbers and any(floats) and any(isinstance(value, NUMBERS) for value in values)):
        return values[0] // values[1] if numbers else a // b
    return _of_two_floats("floordiv", values)


def inplace_floor_division(a: Any, b: Any) -> Any:
    """`a //= b`."""
    return operator.ifloordiv(a, b) if hasattr(a, "__ifloordiv__") else floor_division(a, b)


def _of_two_floats(name: str, values: Sequence[Any]) -> Any:
    """A function of two numbers as floats, at least one of which is known at run time only."""
    floats = [torch.sym_float(value) for value in values]
    node = next(value.node for value in floats if isinstance(value, torch.SymFloat))
    nodes = [value.node if isinstance(value, torch.SymFloat) else node.wrap_float(value) for value in floats]
    result = node.context.float_op(name, nodes)
    return result.constant_value if result.constant_value is not None else torch.SymFloat(result)


def _unit(value: Any) -> Any:
    return int(value) if isinstance(value, torch.SymBool) else value


def integer_division(a: Any, b: Any) -> tuple[Any, Any]:
    """`divmod(a, b)`."""
    return floor_division(a, b), a % b


def _is_number(value: Any) -> bool:
    scalar = isinstance(value, DeviceTensor) and value.dim() == 0
    return scalar or (isinstance(value, NUMBERS) and not isinstance(value, Tile))


def _number(value: Any) -> Any:
    """A scalar tensor as a number; anything else as it is."""
    return value.item() if isinstance(value, DeviceTensor) else value


def _int(tracer: Tracer, value: Any) -> Any:
    value = _number(value)
    if isinstance(value, torch.SymFloat):
        return math.trunc(value)
    if isinstance(value, torch.SymBool):
        return _number(_tensor(tracer, value).to(torch.int64)) if tracer.in_device else int(value)
    return value


def _float(tracer: Tracer, value: Any) -> Any:
    return torch.sym_float(_plain(tracer, value))


def _bool(tracer: Tracer, value: Any) -> Any:
    value = _number(value)
    return value if isinstance(value, torch.SymBool) else value != 0


def _abs(tracer: Tracer, value: Any) -> Any:
    return value.abs() if isinstance(value, DeviceTensor) else builtins.abs(_plain(tracer, value))


def _round(tracer: Tracer, value: Any, digits: Any = None) -> Any:
    if isinstance(value, DeviceTensor):
        return torch.round(value)
    if digits is not None:
        return builtins.round(tracer.constant(value), tracer.constant(digits))
    return builtins.round(_plain(tracer, value))


def _plain(tracer: Tracer, value: Any) -> Any:
    """A number with arithmetic: a truth value is 0 or 1."""
    return _int(tracer, value) if isinstance(value, torch.SymBool) else _number(value)


def _rounding(function: Function) -> Function:
    return lambda tracer, value: function(_plain(tracer, value))


def _binary(function: Function) -> Function:
    return lambda tracer, a, b: function(_plain(tracer, a), _plain(tracer, b))


def _tensor(tracer: Tracer, value: Any) -> DeviceTensor:
    """A number as a scalar tensor of its own dtype."""
    return LOWERINGS[aten.scalar_tensor.default](tracer, value, dtype=_dtype(value))


def _dtype(value: Any) -> torch.dtype:
    if isinstance(value, bool | torch.SymBool):
        return torch.bool
    return torch.float32 if isinstance(value, float | torch.SymFloat) else torch.int64


def _of_floats(overload: Any) -> Function:
    def function(tracer: Tracer, *args: Any) -> Any:
        floats = [_tensor(tracer, _float(tracer, arg)) for arg in args]
        result = overload(*floats)
        if result.dtype == torch.bool:
            return torch.SymBool(BoolNode(tracer, result.ssa))
        return torch.SymFloat(FloatNode(tracer, result.ssa))

    return function


def _log(tracer: Tracer, value: Any, base: Any = None) -> Any:
    log = _of_floats(aten.log.default)
    return log(tracer, value) if base is None else log(tracer, value) / log(tracer, base)


def _isfinite(tracer: Tracer, value: Any) -> Any:
    return _of_floats(aten.isfinite.default)(tracer, value)


def _power(tracer: Tracer, base: Any, exponent: Any, modulus: Any = None) -> Any:
    if modulus is not None:
        return builtins.pow(*map(tracer.constant, (base, exponent, modulus)))
    return power(_plain(tracer, base), _plain(tracer, exponent))


def _contains(item_: Any, container: Any) -> bool:
    return item_ in container


def _lacks(item_: Any, container: Any) -> bool:
    return item_ not in container


_OPERATORS: dict[type[ast.AST], Function] = {
    ast.Pow: power, ast.FloorDiv: floor_division, ast.Invert: inverted, ast.In: _contains, ast.NotIn: _lacks,
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod,
    ast.Div: operator.truediv, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.UAdd: operator.pos,
    ast.USub: operator.neg, ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_ARITHMETIC = frozenset((operator.add, operator.sub, operator.mul))
_ON_HOST = frozenset((float, round, divmod, pow))
"""Functions of numbers that host code computes here; what gives a value there is Python's."""
_TABLE: dict[Function, Function] = {
    int: _int, float: _float, bool: _bool, abs: _abs, round: _round, divmod: _binary(integer_division),
    pow: _power, math.pow: lambda tracer, a, b: power(_float(tracer, a), _float(tracer, b)),
    math.floor: _rounding(math.floor), math.ceil: _rounding(math.ceil), math.trunc: _rounding(math.trunc),
    math.log: _log, math.isfinite: _isfinite,
    **{function: _of_floats(overload) for function, overload in {**_FLOATS, **_PAIRS, **_TESTS}.items()},
}  # fmt: skip
"""Python's function → what it does with a tracer and the arguments."""
