"""Types of the `tl` dialect."""

from __future__ import annotations

from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition, param_def

from ..dims import Dim, DimsAttr, tensor_type


@irdl_attr_definition
class PtrType(ParametrizedAttribute, TypeAttribute):
    """The address of a host tensor's first element: `!tl.ptr<bf16>`; unsigned torch dtypes are `ui8` …"""

    name = "tl.ptr"

    element_type: Attribute = param_def()


@irdl_attr_definition
class TensorDescType(ParametrizedAttribute, TypeAttribute):
    """A descriptor of blocks of fixed dims: `!tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, bf16>`."""

    name = "tl.tensordesc"

    block: DimsAttr = param_def()
    element_type: Attribute = param_def()

    @property
    def block_type(self) -> Attribute:
        """The type of a loaded block."""
        return tensor_type(self.element_type, *self.block.as_tuple())

    @staticmethod
    def of(element: Attribute, *dims: Dim) -> TensorDescType:
        return TensorDescType(DimsAttr.get(*dims), element)
