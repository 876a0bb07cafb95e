"""Reductions and scans of all lanes of an axis by a function that the module defines."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from ..value import CombineReduceBase, CombineScanBase


@irdl_op_definition
class CombineReduceOp(CombineReduceBase):
    """`tl.reduce((x, …), axis, combine)`."""

    name = "tl.combine_reduce"

    assembly_format = "$inputs attr-dict `:` type($inputs) `->` type($outputs) $body"


@irdl_op_definition
class CombineScanOp(CombineScanBase):
    """`tl.associative_scan((x, …), axis, combine, reverse)`."""

    name = "tl.combine_scan"

    assembly_format = "$inputs attr-dict `:` type($inputs) `->` type($outputs) $body"


__all__ = ["CombineReduceOp", "CombineScanOp"]
