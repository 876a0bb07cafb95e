"""shield-descriptors: loops that make a tensor descriptor have one pipeline stage."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import IntAttr, ModuleOp
from xdsl.passes import ModulePass

from ....dialects import tl
from ....dialects.inline_triton import is_static_loop
from ....dialects.quick import ops_in


@dataclass(frozen=True)
class ShieldDescriptorsPass(ModulePass):
    """Set `num_stages = 1` on a loop whose body makes a descriptor, which Triton's pipeliner cannot predicate.

    Triton's passes see no static loop: its front end unrolls it.
    """

    name = "shield-descriptors"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in ops_in(op):
            loop = inner.parent_op()
            if type(inner) is tl.MakeTensorDescriptorOp and isinstance(loop, scf.ForOp) and not is_static_loop(loop):
                loop.attributes["num_stages"] = IntAttr(1)
