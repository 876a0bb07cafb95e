"""Order of all lanes of an axis."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition
from xdsl.utils.exceptions import VerifyException

from ..dims import dims_of
from ..value import ArgsortBase


@irdl_op_definition
class ArgsortOp(ArgsortBase):
    """The lanes of the last axis in ascending order of what they hold; equals keep their order."""

    name = "tl.argsort"

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def verify_(self) -> None:
        super().verify_()
        if self.axis.data != len(dims_of(self.input)) - 1:
            raise VerifyException("only the last axis is sorted")


__all__ = ["ArgsortOp"]
