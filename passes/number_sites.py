"""number-sites: give loads, stores, atomics, loops and reductions the number that per-site config lists use."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerAttr, ModuleOp, i64
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.traits import MemoryEffectKind, get_effects

from ..dialects.axes import folds_chunks
from ..dialects.quick import ops_in
from ..dialects.tile import AccessBase, KernelOp, LoopBase
from .schedule import kernels, site_of

KINDS = ("load", "store", "atomic", "loop", "reduction")
"""Each kind is numbered by itself, from 0, in program order."""


UNCOUNTED = "uncounted"
"""Attribute of an access that the user did not write: it is no site."""


def site_kind(op: Operation) -> str | None:
    """The kind of site that `op` is, by its effects where it is an access; None if it is none."""
    if isinstance(op, AccessBase):
        if UNCOUNTED in op.attributes:
            return None
        kinds = {effect.kind for effect in get_effects(op) or ()}
        if len(kinds) == 2:
            return "atomic"
        return "load" if MemoryEffectKind.READ in kinds else "store"
    if isinstance(op, LoopBase):
        return "loop"
    return "reduction" if folds_chunks(op) else None


def site_counts(kernel: KernelOp) -> dict[str, int]:
    """How many sites of each kind the kernel had when it was numbered (before anything was merged or cloned)."""
    counts = kernel.attributes.get("sites")
    if isinstance(counts, DictionaryAttr):
        return {k: v.value.data for k, v in counts.data.items() if isinstance(v, IntegerAttr)}
    found = Counter(kind for op in ops_in(kernel) if (kind := site_kind(op)))
    return {kind: found[kind] for kind in KINDS}


UNROLLED = "unrolled"
"""Attribute of a kernel: the sites of loops that were unrolled; each had one entry in the keys per loop dimension."""


def loop_sites(kernel: KernelOp) -> list[list[LoopBase]]:
    """The loops of each site, in program order of the sites: several where one was copied, none if unrolled."""
    found: dict[int, list[LoopBase]] = {}
    gone = kernel.attributes.get(UNROLLED)
    if isinstance(gone, ArrayAttr):
        found.update((attr.value.data, []) for attr in gone if isinstance(attr, IntegerAttr))
    for op in ops_in(kernel):
        if op.regions and isinstance(op, LoopBase) and (site := site_of(op)) is not None:
            found.setdefault(site, []).append(op)
    return [loops for _, loops in sorted(found.items(), key=lambda item: item[0])]


@dataclass(frozen=True)
class NumberSitesPass(ModulePass):
    """Set `site` on every site, and `sites` (the counts) on the kernel.

    Rolling turns one load into three and merging two into one, so positions in the program move; sites do not:
    clones inherit the attribute. A kernel that has been numbered is left alone.
    """

    name = "number-sites"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for kernel in kernels(op):
            if "sites" not in kernel.attributes:
                _number(kernel)


def _number(kernel: KernelOp) -> None:
    counts: Counter[str] = Counter()
    for op in ops_in(kernel):
        if (kind := site_kind(op)) is not None:
            op.attributes["site"] = IntegerAttr(counts[kind], i64)
            counts[kind] += 1
    kernel.attributes["sites"] = DictionaryAttr({kind: IntegerAttr(counts[kind], i64) for kind in KINDS})
