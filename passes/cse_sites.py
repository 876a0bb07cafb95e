"""cse-sites: common subexpression elimination that merges equal ops of different sites."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.traits import IsTerminator, MemoryEffectKind, get_effects
from xdsl.transforms.common_subexpression_elimination import CSEDriver
from xdsl.transforms.dead_code_elimination import is_trivially_dead


@dataclass
class _Driver(CSEDriver):
    """xDSL's driver, which counts writes instead of looking again, for each read, at all ops since an equal one."""

    _writes: int = 0
    _when: dict[Operation, int] = field(default_factory=dict[Operation, int])
    """For each known read, how many writes came before it."""

    def _simplify_operation(self, op: Operation) -> None:
        effects = get_effects(op)
        kinds = None if effects is None else {effect.kind for effect in effects}
        if kinds != {MemoryEffectKind.READ} or op.regions or op.has_trait(IsTerminator) or is_trivially_dead(op):
            super()._simplify_operation(op)
            self._writes += kinds is None or MemoryEffectKind.WRITE in kinds
            return
        known = self._known_ops.get(op)
        if known is not None and known.parent is op.parent and self._when[known] == self._writes:
            self._replace_and_delete(op, known)
            return
        self._known_ops[op] = op
        self._when[op] = self._writes


@dataclass(frozen=True)
class CseSitesPass(ModulePass):
    """xDSL's `cse`, for which the attribute `site` makes two ops different.

    Two loads of the same lanes with no write between become one, which keeps the site of the first; the second
    site's entries in a config's lists then mean nothing.
    """

    name = "cse-sites"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        sites = {o: o.attributes.pop("site") for o in op.walk() if "site" in o.attributes}
        _Driver().simplify(op)
        for o, site in sites.items():
            o.attributes["site"] = site
