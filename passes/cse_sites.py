"""cse-sites: common subexpression elimination that merges equal ops of different sites."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.transforms.common_subexpression_elimination import cse


@dataclass(frozen=True)
class CseSitesPass(ModulePass):
    """xDSL's `cse`, for which the attribute `site` makes two ops different.

    Two loads of the same lanes with no write between become one, which keeps the site of the first; the second
    site's entries in a config's lists then mean nothing.
    """

    name = "cse-sites"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        sites = {o: o.attributes.pop("site") for o in op.walk() if "site" in o.attributes}
        cse(op)
        for o, site in sites.items():
            o.attributes["site"] = site
