"""All ops of all our dialects: text that round-trips, documentation, declared effects."""

from __future__ import annotations

from io import StringIO

import pytest
from helion_ir.dialects.inline_triton import InlineTriton
from helion_ir.dialects.symm_mem import SymmMem
from helion_ir.dialects.tile import Tile
from helion_ir.dialects.tl import Tl
from helion_ir.dialects.value import Value
from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, FileLineColLoc, ModuleOp
from xdsl.dialects.math import Math
from xdsl.dialects.scf import Scf
from xdsl.dialects.test import Test
from xdsl.ir import Dialect, Operation
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import (
    EffectInstance,
    IsolatedFromAbove,
    IsTerminator,
    MemoryEffect,
    MemoryEffectKind,
    get_effects,
    is_side_effect_free,
)
from xdsl.transforms.common_subexpression_elimination import cse
from xdsl.transforms.dead_code_elimination import dce

from helion_ir.cli.located_parser import LocatedParser

from ..support import lit

DIALECTS = (Tile, Tl, Value, InlineTriton, SymmMem)
OPS = [op for dialect in DIALECTS for op in dialect.operations]
FORMS = {
    "custom": {},
    "generic": {"print_generic_format": True},
    "locations": {"print_debuginfo": True},
    "generic with locations": {"print_generic_format": True, "print_debuginfo": True},
}


def make_context() -> Context:
    context = Context()
    for dialect in (Builtin, Arith, Math, Scf, Test, *DIALECTS):
        context.load_dialect(dialect)
    return context


def parse(text: str) -> ModuleOp:
    return Parser(make_context(), text, "parsed").parse_module()


def text_of(module: ModuleOp, **options: bool) -> str:
    stream = StringIO()
    Printer(stream=stream, **options).print_op(module)
    return stream.getvalue()


def source(dialect: Dialect, level: str = "") -> ModuleOp:
    """The module that has every op of a dialect, or those of one level; each op located in its file."""
    path = lit.ROOT / "dialects" / f"{dialect.name}{level}.mlir"
    return LocatedParser(make_context(), path.read_text(), str(path)).parse_located_module()


def locations(module: ModuleOp) -> list[object]:
    return [op.location for op in module.walk()]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
def test_every_op_is_in_the_file(dialect: Dialect) -> None:
    levels = ["", "_tl"] if dialect is SymmMem else [""]
    present = {op.name for level in levels for op in source(dialect, level).walk()}
    assert {op.name for op in dialect.operations} <= present


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
@pytest.mark.parametrize("form", FORMS)
def test_text_round_trips(dialect: Dialect, form: str) -> None:
    module = source(dialect)
    module.verify()
    text = text_of(module, **FORMS[form])
    again = parse(text)
    again.verify()
    assert again.is_structurally_equivalent(module)
    assert text_of(again, **FORMS[form]) == text
    if "print_debuginfo" in FORMS[form]:
        assert locations(again) == locations(module)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
def test_every_parsed_op_has_a_position(dialect: Dialect) -> None:
    """The position is that of the op's text."""
    lines = (lit.ROOT / "dialects" / f"{dialect.name}.mlir").read_text().splitlines()
    for op in source(dialect).walk():
        if isinstance(op, ModuleOp):
            continue
        assert isinstance(op.location, FileLineColLoc)
        line = lines[op.location.line.data - 1]
        assert op.name in line
        assert line[: op.location.column.data - 1].strip() == ""


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op_is_documented(op: type[Operation]) -> None:
    own = op.__dict__.get("__doc__")
    assert own
    assert own.strip()[0].isupper() or own.strip()[0] == "`"


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op_declares_its_effects(op: type[Operation]) -> None:
    """Kernels and functions are isolated and no part of a program's effects; terminators may declare none."""
    assert op.has_trait(MemoryEffect) or op.has_trait(IsTerminator) or op.has_trait(IsolatedFromAbove)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
def test_every_op_can_tell_its_effects(dialect: Dialect) -> None:
    for op in source(dialect).walk():
        if op.has_trait(MemoryEffect):
            assert get_effects(op) is not None, op.name


def only(module: ModuleOp, name: str) -> Operation:
    (op,) = [op for op in module.walk() if op.name == name]
    return op


def test_opaque_text_has_all_effects_unless_pure() -> None:
    module = parse(
        '%x = "test.op"() : () -> f32\n'
        '%a = inline_triton.snippet "{0} + 1"(%x) : (f32) -> f32\n'
        '%b = inline_triton.snippet pure "{0} + 1"(%x) : (f32) -> f32\n'
        '%c = inline_triton.snippet "{0} + 1"(%x) : (f32) -> f32\n'
        '%d = inline_triton.snippet pure "{0} + 1"(%x) : (f32) -> f32\n'
        '"test.op"(%a, %b, %c, %d) : (f32, f32, f32, f32) -> ()\n'
    )
    snippets = [op for op in module.walk() if op.name == "inline_triton.snippet"]
    unknown = {EffectInstance(MemoryEffectKind.READ), EffectInstance(MemoryEffectKind.WRITE)}
    assert [get_effects(op) for op in snippets] == [unknown, set(), unknown, set()]
    assert [is_side_effect_free(op) for op in snippets] == [False, True, False, True]
    cse(module)
    assert len([op for op in module.walk() if op.name == "inline_triton.snippet"]) == 3


def test_opaque_text_stays_unless_pure_and_unused() -> None:
    module = parse(
        '%x = "test.op"() : () -> f32\n'
        '%a = inline_triton.snippet "{0} + 1"(%x) : (f32) -> f32\n'
        '%b = inline_triton.snippet pure "{0} + 1"(%x) : (f32) -> f32\n'
    )
    dce(module)
    assert "pure" not in only(module, "inline_triton.snippet").properties


def test_loads_do_not_merge_across_a_sync() -> None:
    ref = "!tile.ref<[8], [1], f32, align 16>"
    load = f"tile.load %ref[%i] : {ref}[i32] -> f32"
    sync = f"symm_mem.sync %ref rank %i of %i : {ref}, i32, i32"
    head = f'%ref, %i = "test.op"() : () -> ({ref}, i32)\n'
    tail = '"test.op"(%a, %b) : (f32, f32) -> ()'
    for between, loads in (("", 1), (sync, 2)):
        module = parse(f"{head}%a = {load}\n{between}\n%b = {load}\n{tail}")
        cse(module)
        assert len([op for op in module.walk() if op.name == "tile.load"]) == loads
