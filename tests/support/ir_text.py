"""IR from text for tests: a context with every dialect that the interpreter knows, and the kernels of `kernels_ir/`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from helion_ir.dialects.inline_triton import InlineTriton
from helion_ir.dialects.symm_mem import SymmMem
from helion_ir.dialects.tile import Tile
from helion_ir.dialects.tl import Tl
from helion_ir.dialects.value import Value
from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.math import Math
from xdsl.dialects.scf import Scf
from xdsl.parser import Parser

KERNELS = Path(__file__).parent / "kernels_ir"


def parse(text: str, name: str = "<test>") -> ModuleOp:
    """A module from text, not verified."""
    context = Context()
    for dialect in (Builtin, Arith, Math, Scf, Tile, Tl, Value, InlineTriton, SymmMem):
        context.load_dialect(dialect)
    return Parser(context, text, name).parse_module()


@lru_cache
def _parsed(name: str) -> ModuleOp:
    module = parse((KERNELS / f"{name}.mlir").read_text(), f"{name}.mlir")
    module.verify()
    return module


def kernel(name: str) -> ModuleOp:
    """A fresh, verified copy of `kernels_ir/<name>.mlir`."""
    return _parsed(name).clone()
