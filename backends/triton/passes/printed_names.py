"""Python identifiers for the variables of a kernel: the user's names where there are any, else the field's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from xdsl.dialects import arith, math, scf
from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Operation, SSAValue

from ....dialects import tl
from ....dialects.inline_triton import CallOp, SnippetOp
from ....dialects.names import NameScope, identifier
from ....dialects.quick import ops_in
from ....dialects.value import CombineBase, CompareOp
from .coalescing import Variables, is_inline

STANDARD: dict[type[Operation], str] = {
    tl.ProgramIdOp: "pid", tl.NumProgramsOp: "num_programs", tl.ArangeOp: "lanes", CompareOp: "mask",
    tl.LoadOp: "loaded", tl.DescriptorLoadOp: "loaded", tl.MakeTensorDescriptorOp: "desc", tl.DotOp: "dot",
    tl.DotScaledOp: "dot",
    tl.AtomicRMWOp: "previous", tl.AtomicCASOp: "previous", tl.CdivOp: "count",
    arith.CmpiOp: "condition", arith.CmpfOp: "condition", arith.MuliOp: "offset", arith.AddiOp: "offset",
    math.ExpOp: "exp", math.Exp2Op: "exp", math.RsqrtOp: "rsqrt",
}  # fmt: skip
"""Names for values without a name of the user's, by the op that makes them."""


def _is_local(value: SSAValue) -> bool:
    """Whether `value` is not what a loop carries: the user's variable is named like that."""
    op = value.owner if isinstance(value.owner, Operation) else value.owner.parent_op()
    return not isinstance(op, scf.ForOp | scf.WhileOp)


@lru_cache(maxsize=4096)
def _names_attr(*names: str) -> ArrayAttr[StringAttr]:
    return ArrayAttr([StringAttr(name) for name in names])


class Namer:
    """Gives each variable its name when it is first met."""

    def __init__(self, names: NameScope, variables: Variables):
        self.names = names
        self.variables = variables
        self._known: dict[int, str] = {}

    def of(self, value: SSAValue) -> str:
        members = self.variables.members(value)
        name = self._known.get(id(members))
        if name is None:
            in_order = sorted(members, key=_is_local) if len(members) > 1 else members
            hint = next((member.name_hint for member in in_order if member.name_hint), None)
            if hint is not None:
                name = self.names.fresh(identifier(hint))
            else:
                owners = (m.owner for m in members if isinstance(m.owner, Operation))
                standard = next((STANDARD[type(op)] for op in owners if type(op) in STANDARD), "v")
                name = self.names.fresh(standard, numbered=standard == "v")
            self._known[id(members)] = name
        return name

    def attribute(self, values: Iterable[SSAValue]) -> ArrayAttr[StringAttr]:
        return _names_attr(*[self.of(value) for value in values])


def assign_names(func: tl.FuncOp, variables: Variables) -> None:
    """Set `names` on every statement with results and `arg_names` on every loop."""
    parameters = (*(name.data for name in func.arg_names), *func.constexprs.data, func.sym_name.data)
    ops = ops_in(func.body.block)
    snippets = [op.text.data for op in ops if type(op) is SnippetOp]
    calls = [f"{op.function.data} {op.argument_template}" for op in ops if type(op) is CallOp]
    opaque = (word for text in (*snippets, *calls) for word in re.findall(r"[A-Za-z_]\w*", text))
    namer = Namer(NameScope((*parameters, *opaque, f"_{func.sym_name.data}")), variables)
    functions = [op for op in ops if isinstance(op, CombineBase)]
    inside = {inner for op in functions for inner in ops_in(op.block)}
    _name(namer, [op for op in ops if op not in inside] if inside else ops)
    for op in functions:
        namer = Namer(NameScope(()), variables)
        op.attributes["arg_names"] = namer.attribute(op.block.args)
        _name(namer, ops_in(op.block))


def _name(namer: Namer, ops: Iterable[Operation]) -> None:
    """Set the names of these ops, which are in one function."""
    for op in ops:
        if op.results and not is_inline(op):
            op.attributes["names"] = namer.attribute(op.results)
        if type(op) is scf.ForOp:
            op.attributes["arg_names"] = namer.attribute(op.body.block.args)
        elif type(op) is scf.WhileOp:
            op.attributes["arg_names"] = namer.attribute(op.before_region.block.args)
