"""Symbolic dimensions: the encoding that gives a builtin tensor its symbolic shape.

A *dim* is an `int`, or a `str`: a symbol (`b0`, a block size chosen by the config; `s0`, a size known at run
time; `_BLOCK_SIZE_0`, a constexpr of an emitted kernel) or an arithmetic expression of symbols (`2*b0`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, cast

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    IntAttr,
    IntegerType,
    StringAttr,
    TensorType,
)
from xdsl.ir import Attribute, BlockArgument, OpResult, ParametrizedAttribute, SSAValue
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from .quick import by_identity

Dim: TypeAlias = int | str

_SYMBOL = re.compile(r"[A-Za-z_]\w*")


def dim_attr(dim: Dim) -> IntAttr | StringAttr:
    """The attribute that spells `dim`."""
    return IntAttr(dim) if isinstance(dim, int) else StringAttr(dim)


def print_dim(printer: Printer, dim: Attribute) -> None:
    """Print one dim: an integer, a bare symbol, or a quoted expression."""
    assert isinstance(dim, IntAttr | StringAttr)
    if isinstance(dim, StringAttr) and not _SYMBOL.fullmatch(dim.data):
        printer.print_string_literal(dim.data)
    else:
        printer.print_string(str(dim.data))


def parse_dim(parser: AttrParser) -> IntAttr | StringAttr:
    """Parse what `print_dim` prints."""
    if (number := parser.parse_optional_integer(allow_boolean=False)) is not None:
        return IntAttr(number)
    if (text := parser.parse_optional_str_literal()) is not None:
        return StringAttr(text)
    return StringAttr(parser.parse_identifier("a dim: an integer, a symbol or a quoted expression"))


@irdl_attr_definition
class DimsAttr(ParametrizedAttribute):
    """The dims of a tensor, as its encoding: `#tile.dims<b0, 64, "2*b0">`."""

    name = "tile.dims"

    dims: ArrayAttr[IntAttr | StringAttr] = param_def()

    @staticmethod
    @lru_cache(maxsize=4096)
    def get(*dims: Dim) -> DimsAttr:
        """The attribute for `dims`."""
        return DimsAttr(ArrayAttr([dim_attr(dim) for dim in dims]))

    def as_tuple(self) -> tuple[Dim, ...]:
        """The dims as Python values."""
        return tuple([dim.data for dim in self.dims.data])

    def __len__(self) -> int:
        return len(self.dims)

    def verify(self) -> None:
        for dim in self.dims:
            if isinstance(dim, IntAttr) and dim.data < 0:
                raise VerifyException(f"a dim must not be negative, got {dim.data}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        dims = parser.parse_comma_separated_list(parser.Delimiter.ANGLE, lambda: parse_dim(parser))
        return [ArrayAttr(dims)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_list(self.dims, lambda dim: print_dim(printer, dim))


@lru_cache(maxsize=4096)
def tensor_type(element: Attribute, *dims: Dim) -> Attribute:
    """The type of a device value: `element` itself for rank 0, else a tensor (encoded if a dim is symbolic).

    Cached, as building a tensor type costs xDSL about 32 µs.
    """
    if not dims:
        return element
    if all(isinstance(dim, int) for dim in dims):
        return TensorType(element, cast("tuple[int, ...]", dims))
    shape = [dim if isinstance(dim, int) else DYNAMIC_INDEX for dim in dims]
    return TensorType(element, shape, DimsAttr.get(*dims))


def type_of(value: SSAValue | Attribute) -> Attribute:
    """The type of a value; a type is its own.

    By exact class first: `isinstance` on xDSL's abstract classes costs a microsecond, and this is asked all the time.
    """
    cls = type(value)
    if cls is TensorType or not issubclass(cls, SSAValue):
        return cast("Attribute", value)
    return cast("SSAValue", value).type


def dims_of(value: SSAValue | Attribute) -> tuple[Dim, ...]:
    """The dims of a value or type; `()` for a scalar."""
    given: Any = value
    type_: Attribute = given.type if type(given) in _VALUES else type_of(given)
    return _dims_of_tensor(type_) if type(type_) is TensorType else ()


@by_identity
def _dims_of_tensor(type_: TensorType) -> tuple[Dim, ...]:
    encoding = type_.encoding
    return encoding.as_tuple() if type(encoding) is DimsAttr else tuple([dim.data for dim in type_.shape.data])


def element_of(value: SSAValue | Attribute) -> Attribute:
    """The element type of a value or type; the type itself for a scalar."""
    given: Any = value
    type_: Attribute = given.type if type(given) in _VALUES else type_of(given)
    return type_.element_type if type(type_) is TensorType else type_


_VALUES = frozenset((OpResult, BlockArgument))


def signless(element: Attribute) -> Attribute:
    """The element type of values that refs or pointers of an element type lead to: no integer has a sign."""
    return IntegerType(element.width.data) if isinstance(element, IntegerType) else element


def with_dims(type_: Attribute, dims: Sequence[Dim]) -> Attribute:
    """`type_` with other dims."""
    return tensor_type(element_of(type_), *dims)


def with_element(type_: Attribute, element: Attribute) -> Attribute:
    """`type_` with another element type."""
    return tensor_type(element, *dims_of(type_))


def symbols_of(dim: Dim) -> frozenset[str]:
    """The symbols that occur in `dim`."""
    return frozenset(_SYMBOL.findall(dim)) if isinstance(dim, str) else frozenset()


def substitute(dim: Dim, values: Mapping[str, Dim]) -> Dim:
    """`dim` with symbols replaced; folded to an int where all of them are."""
    if isinstance(dim, int):
        return dim
    if (direct := values.get(dim)) is not None:
        return direct
    names = symbols_of(dim)
    if names <= values.keys() and all(isinstance(values[name], int) for name in names):
        return eval(dim, {"__builtins__": {}}, dict(values))
    return _SYMBOL.sub(lambda match: _operand(values.get(match[0], match[0])), dim)


def _operand(dim: Dim) -> str:
    return str(dim) if isinstance(dim, int) or _SYMBOL.fullmatch(dim) else f"({dim})"
