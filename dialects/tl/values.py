"""Values that one level has only, and reductions, scans and products over all lanes of an axis."""

from __future__ import annotations

from xdsl.dialects.builtin import i32
from xdsl.irdl import IRDLOperation, irdl_op_definition, result_def, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..dims import Dim, dims_of, element_of, tensor_type
from ..value import ArgReduceBase, DotBase, ReduceBase, ScanBase


@irdl_op_definition
class ArangeOp(IRDLOperation):
    """`tl.arange(0, n)`, where `n` is the result's dim, a power of two: `tl.arange : tensor<?xi32, …>`."""

    name = "tl.arange"

    result = result_def()

    traits = traits_def(Pure())
    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, dim: Dim):
        super().__init__(result_types=[tensor_type(i32, dim)])

    def verify_(self) -> None:
        dims = dims_of(self.result)
        if len(dims) != 1 or element_of(self.result) != i32:
            raise VerifyException("arange gives one axis of i32")
        if isinstance(dims[0], int) and dims[0] & (dims[0] - 1):
            raise VerifyException(f"arange needs a power of two, got {dims[0]}")


@irdl_op_definition
class ReduceOp(ReduceBase):
    """`tl.sum(x, axis)`, `tl.max` … over all lanes of an axis; `max`/`min` propagate NaN unless `ignore_nan`."""

    name = "tl.reduce"

    assembly_format = "$kind $input attr-dict `:` type($input) `->` type($result)"


@irdl_op_definition
class ArgReduceOp(ArgReduceBase):
    """`tl.max(x, axis, return_indices=True)` and `min`: value and first lane; a NaN wins, as in torch."""

    name = "tl.arg_reduce"

    assembly_format = "$kind $input attr-dict `:` type($input) `->` type($value) `,` type($index)"


@irdl_op_definition
class ScanOp(ScanBase):
    """`tl.cumsum(x, axis, reverse)` and its like."""

    name = "tl.scan"

    assembly_format = "$kind $input attr-dict `:` type($input) `->` type($result)"


@irdl_op_definition
class DotOp(DotBase):
    """`tl.dot(lhs, rhs, acc, input_precision, out_dtype)`: `acc + lhs @ rhs`, 2-D or with one batch axis."""

    name = "tl.dot"

    assembly_format = "$lhs `,` $rhs `,` $acc attr-dict `:` type($lhs) `,` type($rhs) `,` type($acc)"

    def verify_(self) -> None:
        super().verify_()
        ranks = [len(dims_of(value)) for value in (self.lhs, self.rhs)]
        if ranks not in ([2, 2], [3, 3]):
            raise VerifyException(f"tl.dot takes operands that both have rank 2 or 3, got {ranks[0]} and {ranks[1]}")


__all__ = ["ArangeOp", "ArgReduceOp", "DotOp", "ReduceOp", "ScanOp"]
