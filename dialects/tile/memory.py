"""Loads and stores on refs, and what all accesses share."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerType, StringAttr, TensorType, i1
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AnyOf,
    AttrSizedOperandSegments,
    BaseAttr,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..axes import At, Axes, AxisFacts, DeclaresAxes, Dropping, OwnAxes
from ..dims import Dim, dims_of, element_of, signless, tensor_type
from ..effects import Reads, Writes
from ..value import ScalarConstr, ValueConstr
from .subscript import Subscript, access_dims, are_joint
from .types import RefType, TileType

IndexConstr = AnyOf((BaseAttr(TileType), BaseAttr(IntegerType), BaseAttr(TensorType)))
"""An index: a tile, a scalar, or an integer tensor."""


def access_tiles(op: AccessBase) -> tuple[SSAValue, ...]:
    """The tile of each axis of an access, in order: index tiles, and `tiles` for the axes of index tensors."""
    operands = op.operands
    return tuple([operands[number] for number in op.subscript.tile_operands])


def _along(operands: Sequence[int], results: Sequence[int], axis: int) -> Axes:
    return Axes(tuple([At(number, axis) for number in operands]), tuple([At(number, axis) for number in results]))


class AccessBase(IRDLOperation, DeclaresAxes):
    """What every access to a ref has in common.

    Operands: the `ref`; one of `indices` per dimension of it (see `Subscript`); `tiles`, the tile of each
    axis that comes from an index tensor, so that padding lanes are known; an optional `mask` (i1, of the
    access's dims). Lanes past a tile's end, before the ref or past its size are never touched.
    """

    ref = operand_def(RefType)
    indices = var_operand_def(IndexConstr)
    tiles = var_operand_def(TileType)
    mask = opt_operand_def(ValueConstr)

    traits = traits_def(OwnAxes())

    indexing = opt_prop_def(StringAttr)
    """`pointer` or `tensor_descriptor`, set by assign-indexing."""

    @property
    def ref_type(self) -> RefType:
        type_ = self.operands[0].type  # of `ref`: the first one, as the effects have it
        assert isinstance(type_, RefType)
        return type_

    @property
    def subscript(self) -> Subscript:
        """What the indices select."""
        return Subscript.of(self.indices)

    @property
    def dims(self) -> tuple[Dim, ...]:
        """The dims that the indices select."""
        return access_dims(self.indices)

    def axis_facts(self) -> AxisFacts:
        """What is loaded or stored has the axes of the subscript; an index tensor goes along with those it spans."""
        subscript, operands = self.subscript, self.operands
        rank, first = len(subscript.dims), 1 + len(self.indices) + len(self.tiles)
        values = [number for number in range(first, len(operands)) if dims_of(operands[number])]
        results = range(len(self.results))
        met = [_along(values, results, axis) for axis in range(rank)]
        spanning: list[list[At]] = [[] for _ in range(rank)]
        for number, spans in enumerate(subscript.spans, 1):
            for axis, span in enumerate(spans if dims_of(operands[number]) else ()):
                spanning[span].append(At(number, axis))
        lanes = [Axes((*axes.operands, *more), axes.results) for axes, more in zip(met, spanning, strict=True)]
        return AxisFacts(tuple(lanes), tiles=tuple(zip(subscript.tile_operands, met, strict=True)))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        return dropping.access_by_positions()

    def verify_access(self, value: Attribute | None) -> None:
        """Check the indices, and that `value` is what they select (element type included)."""
        if len(self.indices) != self.ref_type.rank:
            raise VerifyException(f"{len(self.indices)} indices for a ref of rank {self.ref_type.rank}")
        subscript = self.subscript
        tensors = [i for i in self.indices if isinstance(i.type, TensorType)]
        if are_joint([len(dims_of(t)) for t in tensors]) and len({dims_of(t) for t in tensors}) > 1:
            raise VerifyException("index tensors of rank 2 or more must all have the same dims")
        if any(not isinstance(element_of(t), IntegerType) for t in tensors):
            raise VerifyException("an index tensor must hold integers")
        axes = [dim for dim, walked in zip(subscript.dims, subscript.walked, strict=True) if walked is None]
        tile_dims = [t.type.dim for t in self.tiles if isinstance(t.type, TileType)]
        if tile_dims != axes:
            raise VerifyException(
                f"tiles must name the axes of the index tensors: expected dims {axes}, got {tile_dims}"
            )
        if self.mask is not None and self.mask.type != (expected := tensor_type(i1, *subscript.dims)):
            raise VerifyException(f"the mask must be {expected}, got {self.mask.type}")
        element = signless(self.ref_type.element_type)
        if value is not None and value != (expected := tensor_type(element, *subscript.dims)):
            raise VerifyException(f"the indices select {expected}, got {value}")


@irdl_op_definition
class AddressSpaceOp(IRDLOperation):
    """All memory as one ref, whose element `i` lies at the address `i` times the size of an element.

    ```mlir
    %m = tile.address_space : !tile.ref<[9223372036854775807], [1], f32, align 1, offsets 64>
    ```
    Pure. An access to it may touch what any other ref names.
    """

    name = "tile.address_space"

    result = result_def(RefType)

    traits = traits_def(Pure())
    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, element: Attribute):
        super().__init__(result_types=[RefType([(1 << 63) - 1], [1], element, align=1, offsets=64)])


@irdl_op_definition
class LoadOp(AccessBase):
    """Read a tile of a ref; lanes that are not read hold `other`, or an unspecified value without it.

    ```mlir
    %v = tile.load %x[%tile_m, %tile_k] : !tile.ref<...>[!tile.tile<b0>, !tile.tile<b2>] -> tensor<...>
    ```
    Effects: reads `ref`. `eviction_policy` is the user's, or the config's by assign-cache-policy.
    """

    name = "tile.load"

    ref = AccessBase.ref
    indices = AccessBase.indices
    tiles = AccessBase.tiles
    mask = AccessBase.mask

    other = opt_operand_def(ScalarConstr)
    eviction_policy = opt_prop_def(StringAttr)
    cache_modifier = opt_prop_def(StringAttr)
    result = result_def(ValueConstr)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(Reads)
    assembly_format = (
        "$ref `[` $indices `]` (`tiles` `(` $tiles^ `:` type($tiles) `)`)? (`mask` $mask^ `:` type($mask))? "
        "(`other` $other^ `:` type($other))? attr-dict `:` type($ref) `[` type($indices) `]` `->` type($result)"
    )

    def __init__(
        self,
        ref: SSAValue,
        indices: Sequence[SSAValue],
        *,
        tiles: Sequence[SSAValue] = (),
        mask: SSAValue | None = None,
        other: SSAValue | None = None,
        eviction_policy: str | None = None,
    ):
        assert isinstance(ref.type, RefType)
        super().__init__(
            operands=[ref, indices, tiles, mask, other],
            properties={"eviction_policy": StringAttr(eviction_policy) if eviction_policy else None},
            result_types=[tensor_type(signless(ref.type.element_type), *access_dims(indices))],
        )

    def verify_(self) -> None:
        self.verify_access(self.result.type)
        if self.other is not None and self.other.type != element_of(self.result):
            raise VerifyException("other must have the loaded element type")


@irdl_op_definition
class StoreOp(AccessBase):
    """Write a value of exactly the dims that the indices select. Effects: writes `ref`.

    ```mlir
    tile.store %v, %out[%tile_m, %tile_n] : tensor<...>, !tile.ref<...>[!tile.tile<b0>, !tile.tile<b1>]
    ```
    """

    name = "tile.store"

    ref = AccessBase.ref
    indices = AccessBase.indices
    tiles = AccessBase.tiles
    mask = AccessBase.mask

    value = operand_def(ValueConstr)
    cache_modifier = opt_prop_def(StringAttr)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(Writes)
    assembly_format = (
        "$value `,` $ref `[` $indices `]` (`tiles` `(` $tiles^ `:` type($tiles) `)`)? (`mask` $mask^ `:` type($mask))? "
        "attr-dict `:` type($value) `,` type($ref) `[` type($indices) `]`"
    )

    def __init__(
        self,
        value: SSAValue,
        ref: SSAValue,
        indices: Sequence[SSAValue],
        *,
        tiles: Sequence[SSAValue] = (),
        mask: SSAValue | None = None,
    ):
        super().__init__(operands=[ref, indices, tiles, mask, value])

    def verify_(self) -> None:
        self.verify_access(self.value.type)


__all__ = ["AccessBase", "AddressSpaceOp", "LoadOp", "StoreOp", "access_tiles"]
