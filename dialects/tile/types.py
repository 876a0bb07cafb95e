"""Types and attributes of the `tile` dialect."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ArrayAttr, IntAttr, IntAttrConstraint, IntegerType, NoneAttr, StringAttr, i32
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import EqAttrConstraint, IntSetConstraint, ParamAttrConstraint, irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from ..dims import Dim, dim_attr, parse_dim, print_dim

NARROW, WIDE = 32, 64
"""Bits of offsets."""


IndexInt = ParamAttrConstraint(
    IntegerType, (IntAttrConstraint(IntSetConstraint(frozenset((32, 64)))), EqAttrConstraint(i32.signedness))
)
"""Positions and sizes: i32, or i64 under `index_dtype=torch.int64`."""


@irdl_attr_definition
class TileType(ParametrizedAttribute, TypeAttribute):
    """A run of `dim` consecutive positions, of which those before the tile's end are valid: `!tile.tile<b0>`.

    Block arguments of loops are tiles, and so are full slices (`tile.whole`), whose dim is the extent itself.
    A tile knows its begin and end, so it says which lanes of an axis are padding.
    """

    name = "tile.tile"

    dim_attr: IntAttr | StringAttr = param_def()

    def __init__(self, dim: Dim):
        super().__init__(dim_attr(dim))

    @property
    def dim(self) -> Dim:
        return self.dim_attr.data

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            return [parse_dim(parser)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            print_dim(printer, self.dim_attr)


@irdl_attr_definition
class RefType(ParametrizedAttribute, TypeAttribute):
    """A host tensor: sizes, strides (in elements), element type: `!tile.ref<[4096, s0], [s0, 1], bf16>`.

    Unsigned torch dtypes have unsigned element types (`ui8`); what is loaded from them is signless.
    `align` is the known alignment of the base address in bytes. `offsets`: the bits that an offset of the last element
    takes, 32 or 64, where the kernel's positions may take fewer: `…, align 16, offsets 64>`.
    """

    name = "tile.ref"

    sizes: ArrayAttr[IntAttr | StringAttr] = param_def()
    strides: ArrayAttr[IntAttr | StringAttr] = param_def()
    element_type: Attribute = param_def()
    align: IntAttr = param_def()
    offsets: IntAttr = param_def()

    def __init__(
        self,
        sizes: Sequence[Dim],
        strides: Sequence[Dim],
        element_type: Attribute,
        align: int = 16,
        offsets: int = NARROW,
    ):
        super().__init__(
            ArrayAttr([dim_attr(d) for d in sizes]),
            ArrayAttr([dim_attr(d) for d in strides]),
            element_type,
            IntAttr(align),
            IntAttr(offsets),
        )

    @property
    def size_dims(self) -> tuple[Dim, ...]:
        return tuple(d.data for d in self.sizes)

    @property
    def stride_dims(self) -> tuple[Dim, ...]:
        return tuple(d.data for d in self.strides)

    @property
    def rank(self) -> int:
        return len(self.sizes)

    @property
    def is_wide(self) -> bool:
        """Whether offsets need 64 bits."""
        return self.offsets.data == WIDE

    def verify(self) -> None:
        if len(self.sizes) != len(self.strides):
            raise VerifyException(
                f"a ref needs as many strides as sizes, got {len(self.strides)} and {len(self.sizes)}"
            )
        if self.offsets.data not in (NARROW, WIDE):
            raise VerifyException(f"offsets take {NARROW} or {WIDE} bits, got {self.offsets.data}")
        if self.align.data <= 0 or self.align.data & (self.align.data - 1):
            raise VerifyException(f"an alignment is a power of two, got {self.align.data}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        def dims() -> Attribute:
            return ArrayAttr(parser.parse_comma_separated_list(parser.Delimiter.SQUARE, lambda: parse_dim(parser)))

        with parser.in_angle_brackets():
            sizes = dims()
            parser.parse_punctuation(",")
            strides = dims()
            parser.parse_punctuation(",")
            element = parser.parse_type()
            parser.parse_punctuation(",")
            parser.parse_keyword("align")
            align = IntAttr(parser.parse_integer(allow_boolean=False, allow_negative=False))
            offsets = NARROW
            if parser.parse_optional_punctuation(","):
                parser.parse_keyword("offsets")
                offsets = parser.parse_integer(allow_boolean=False, allow_negative=False)
        return [sizes, strides, element, align, IntAttr(offsets)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            for dims in (self.sizes, self.strides):
                with printer.in_square_brackets():
                    printer.print_list(dims, lambda dim: print_dim(printer, dim))
                printer.print_string(", ")
            printer.print_attribute(self.element_type)
            printer.print_string(f", align {self.align.data}")
            if self.is_wide:
                printer.print_string(f", offsets {WIDE}")


@irdl_attr_definition
class BlockAttr(ParametrizedAttribute):
    """What is known of a block size before a config: `#tile.block<1, 1024>` (min, max), or fixed when they agree.

    `max` of `none` means: no bound but the extent's next power of two, for the search space.
    """

    name = "tile.block"

    min: IntAttr = param_def()
    max: IntAttr | NoneAttr = param_def()

    def __init__(self, min: int = 1, max: int | None = None):
        super().__init__(IntAttr(min), NoneAttr() if max is None else IntAttr(max))

    @property
    def fixed(self) -> int | None:
        """The size if the user fixed it."""
        return self.min.data if isinstance(self.max, IntAttr) and self.min.data == self.max.data else None

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            low = parser.parse_integer(allow_boolean=False, allow_negative=False)
            parser.parse_punctuation(",")
            high = parser.parse_optional_integer(allow_boolean=False, allow_negative=False)
            if high is None:
                parser.parse_keyword("none")
        return [IntAttr(low), NoneAttr() if high is None else IntAttr(high)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            high = self.max.data if isinstance(self.max, IntAttr) else "none"
            printer.print_string(f"{self.min.data}, {high}")


@irdl_attr_definition
class MemoryAttr(ParametrizedAttribute):
    """What memory a ref is: `#tile.memory<storage, view>`.

    Refs of different storages share no element. Of two refs of one storage nothing is known, unless they are the same
    view: then they are one tensor, and equal positions are the same element.
    """

    name = "tile.memory"

    storage: IntAttr = param_def()
    view: IntAttr = param_def()

    def __init__(self, storage: int, view: int):
        super().__init__(IntAttr(storage), IntAttr(view))

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            storage = parser.parse_integer(allow_boolean=False, allow_negative=False)
            parser.parse_punctuation(",")
            return [IntAttr(storage), IntAttr(parser.parse_integer(allow_boolean=False, allow_negative=False))]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{self.storage.data}, {self.view.data}")
