"""assign-cache-policy: eviction policies and cache modifiers of loads and stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr

from ..dialects.quick import ops_in
from ..dialects.tile import KernelOp, LoadOp, StoreOp
from .fragments import EnumFragment
from .number_sites import site_counts
from .schedule import Fragments, Key, SchedulePass, at_site, kernels, site_of

POLICIES = {"": None, "first": "evict_first", "last": "evict_last"}
"""The config's word → that of the access."""
LOAD_MODIFIERS = ("", ".ca", ".cg", ".cs", ".cv")
STORE_MODIFIERS = ("", ".wb", ".cg", ".cs", ".wt")


@dataclass(frozen=True)
class AssignCachePolicyPass(SchedulePass):
    """Set `eviction_policy` on the loads that have none of their own, and `cache_modifier` on loads and stores.

    Eviction entries count the loads without the user's own policy; modifiers count all loads, all stores.
    """

    name = "assign-cache-policy"
    keys: ClassVar = (
        Key("load_eviction_policies", length="resize", idle=""),
        Key("load_cache_modifiers", length="resize", idle=""),
        Key("store_cache_modifiers", length="resize", idle=""),
    )

    load_eviction_policies: tuple[str, ...] = ()
    load_cache_modifiers: tuple[str, ...] = ()
    store_cache_modifiers: tuple[str, ...] = ()

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        """Modifiers are legal but not proposed: they rarely pay and multiply the space."""
        space: Fragments = {}
        counts = [site_counts(kernel) for kernel in kernels(module)]
        free = sum(len(free_loads(kernel)) for kernel in kernels(module))
        loads, stores = (sum(count[kind] for count in counts) for kind in ("load", "store"))
        if free:
            space["load_eviction_policies"] = [EnumFragment(tuple(POLICIES))] * free
        if loads:
            space["load_cache_modifiers"] = [EnumFragment(("",), also_legal=LOAD_MODIFIERS[1:])] * loads
        if stores:
            space["store_cache_modifiers"] = [EnumFragment(("",), also_legal=STORE_MODIFIERS[1:])] * stores
        return space

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not any((*self.load_eviction_policies, *self.load_cache_modifiers, *self.store_cache_modifiers)):
            return
        for kernel in kernels(op):
            policies = dict(zip(free_loads(kernel), self.load_eviction_policies, strict=False))
            for access in ops_in(kernel):
                if type(access) is LoadOp:
                    policy = POLICIES.get(policies.get(site_of(access), ""))
                    if policy is not None and access.eviction_policy is None:
                        access.eviction_policy = StringAttr(policy)
                if type(access) is LoadOp or type(access) is StoreOp:
                    self._set_modifier(access)

    def _set_modifier(self, access: LoadOp | StoreOp) -> None:
        options = self.load_cache_modifiers if type(access) is LoadOp else self.store_cache_modifiers
        modifier = at_site(options, site_of(access), "")
        if modifier and access.cache_modifier is None:
            access.cache_modifier = StringAttr(str(modifier))


def free_loads(kernel: KernelOp) -> list[int | None]:
    """The sites of loads that may get a policy: all but those with the user's own, which still exist as ops."""
    taken = set(_own_policies(kernel))
    return [site for site in range(site_counts(kernel)["load"]) if site not in taken]


def _own_policies(kernel: KernelOp) -> Iterator[int]:
    for op in ops_in(kernel):
        if type(op) is LoadOp and op.eviction_policy is not None and (site := site_of(op)) is not None:
            yield site
