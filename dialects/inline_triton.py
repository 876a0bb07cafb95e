"""Dialect `inline_triton`: opaque Triton text with declared operands, results and effects.

The same ops stand at the `tile` and at the `tl` level; the conversion maps their operand and result types, not
their text. Nothing looks into the text: unless an op says `pure`, it may read and write anything.

Refs may be passed one by one, or as one builtin `tuple` that `inline_triton.tuple` packs; a kernel argument that
is a Python tuple of tensors has that type too (of refs at the `tile` level, of pointers at the `tl` level), and
`inline_triton.element` takes one out of it.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from string import Formatter

from xdsl.dialects.builtin import IntegerAttr, StringAttr, TupleType, UnitAttr, i64
from xdsl.ir import Attribute, BlockArgument, Dialect, Operation, SSAValue, TypeAttribute
from xdsl.irdl import (
    BaseAttr,
    EqAttrConstraint,
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import EffectInstance, MemoryEffect, Pure, is_side_effect_free
from xdsl.utils.exceptions import VerifyException

from .constants import integer_of
from .dims import dims_of
from .effects import UnknownEffects
from .quick import quicken
from .tile.types import IndexInt
from .value import ValueConstr


class UnknownEffectsUnlessPure(MemoryEffect):
    """The op may read and write anything, unless its `pure` property is set."""

    @classmethod
    def get_effects(cls, op: Operation) -> AbstractSet[EffectInstance]:
        return frozenset() if "pure" in op.properties else UnknownEffects.get_effects(op)


class _OpaqueBase(IRDLOperation):
    """Base of all opaque ops: operands, results, and whether the text has side effects.

    They declare nothing of axes (`dialects/axes.py`): the text sees ranks and shapes, so none of those may change.
    """

    args = var_operand_def()
    res = var_result_def()
    pure = opt_prop_def(UnitAttr)

    traits = traits_def(UnknownEffectsUnlessPure())


def placeholders(template: str) -> tuple[int, ...]:
    """The operand numbers that the `{0}` placeholders of `template` name, in order; `{{` and `}}` are braces.

    Raises `VerifyException` for text that is no template of that kind.
    """
    try:
        fields = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise VerifyException(f"malformed placeholder in {template!r}: {error}") from None
    for field, spec, conversion in fields:
        if not (field and field.isascii() and field.isdigit()) or spec or conversion:
            raise VerifyException(f"a placeholder must be an operand number such as {{0}}, got {{{field}}}")
    return tuple(int(field) for field, *_ in fields if field)


def _verify_template(template: str, operands: int) -> None:
    for number in placeholders(template):
        if number >= operands:
            raise VerifyException(f"placeholder {{{number}}}, but there are {operands} operands")


@irdl_op_definition
class SnippetOp(_OpaqueBase):
    """Triton statements in which `{0}`, `{1}`, … stand for the operands (`hl.inline_triton`).

    ```mlir
    %r = inline_triton.snippet pure "tl.maximum({0}, {1})" (%x, %y) : (tensor<…>, tensor<…>) -> tensor<…>
    ```
    With results, the last line is an expression: the value, or a tuple of as many values as there are results.
    A tile operand stands for its positions, a ref for its pointer, a tuple for a tuple of them.
    Effects: unknown, none when `pure`.
    """

    name = "inline_triton.snippet"

    text = prop_def(StringAttr)

    assembly_format = "(`pure` $pure^)? $text `(` $args `)` attr-dict `:` functional-type($args, $res)"

    def __init__(self, text: str, args: Sequence[SSAValue], result_types: Sequence[Attribute], *, pure: bool = False):
        super().__init__(
            operands=[args],
            properties={"text": StringAttr(text), "pure": UnitAttr() if pure else None},
            result_types=[result_types],
        )

    def verify_(self) -> None:
        if not self.text.data.strip():
            raise VerifyException("a snippet needs text")
        _verify_template(self.text.data, len(self.args))


@irdl_op_definition
class CallOp(_OpaqueBase):
    """Call of a `@triton.jit` function whose source, with that of its helpers, is emitted once (`hl.triton_kernel`).

    ```mlir
    %r = inline_triton.call "scaled" source "@triton.jit\\ndef scaled(x, factor, FLAG: tl.constexpr): …"
         arguments "{0}, {1}, FLAG=True" (%x, %factor) : (tensor<…>, f32) -> tensor<…>
    ```
    `arguments` is the text between the call's parentheses, for constants and keywords; without it the operands
    are passed in order. Effects: unknown, none when `pure`.
    """

    name = "inline_triton.call"

    function = prop_def(StringAttr)
    source = prop_def(StringAttr)
    arguments = opt_prop_def(StringAttr)

    assembly_format = (
        "(`pure` $pure^)? $function `source` $source (`arguments` $arguments^)? "
        "`(` $args `)` attr-dict `:` functional-type($args, $res)"
    )

    def __init__(
        self,
        function: str,
        source: str,
        args: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        *,
        arguments: str | None = None,
        pure: bool = False,
    ):
        super().__init__(
            operands=[args],
            properties={
                "function": StringAttr(function),
                "source": StringAttr(source),
                "arguments": None if arguments is None else StringAttr(arguments),
                "pure": UnitAttr() if pure else None,
            },
            result_types=[result_types],
        )

    @property
    def argument_template(self) -> str:
        """The text between the call's parentheses, with placeholders."""
        if self.arguments is not None:
            return self.arguments.data
        return ", ".join(f"{{{number}}}" for number in range(len(self.args)))

    def verify_(self) -> None:
        try:
            body = ast.parse(self.source.data).body
        except (SyntaxError, ValueError) as error:
            raise VerifyException(f"the source of {self.function.data!r} is not Python: {error}") from None
        if not any(isinstance(node, ast.FunctionDef) and node.name == self.function.data for node in body):
            raise VerifyException(f"the source does not define {self.function.data!r}")
        _verify_template(self.argument_template, len(self.args))


@irdl_op_definition
class AsmOp(_OpaqueBase):
    """Inline assembly applied elementwise, to `pack` elements at a time (`tl.inline_asm_elementwise`).

    ```mlir
    %r = inline_triton.asm pure "ex2.approx.f32 $0, $1;" "=f,f" pack 1(%x) : (tensor<…>) -> tensor<…>
    ```
    All operands and results have the same dims. Effects: unknown, none when `pure`.
    """

    name = "inline_triton.asm"

    args = var_operand_def(ValueConstr)
    res = var_result_def(ValueConstr)
    asm = prop_def(StringAttr)
    constraints = prop_def(StringAttr)
    pack = prop_def(IntegerAttr.constr(EqAttrConstraint(i64)))

    assembly_format = (
        "(`pure` $pure^)? $asm $constraints `pack` $pack `(` $args `)` attr-dict `:` functional-type($args, $res)"
    )

    def __init__(
        self,
        asm: str,
        constraints: str,
        args: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        *,
        pack: int = 1,
        pure: bool = True,
    ):
        super().__init__(
            operands=[args],
            properties={
                "asm": StringAttr(asm),
                "constraints": StringAttr(constraints),
                "pack": IntegerAttr(pack, i64),
                "pure": UnitAttr() if pure else None,
            },
            result_types=[result_types],
        )

    def verify_(self) -> None:
        if not self.res:
            raise VerifyException("inline assembly needs a result")
        if self.pack.value.data < 1:
            raise VerifyException(f"pack must be positive, got {self.pack.value.data}")
        if len({dims_of(value) for value in (*self.args, *self.res)}) > 1:
            raise VerifyException("operands and results of inline assembly must have the same dims")


@irdl_op_definition
class MakeTupleOp(IRDLOperation):
    """Several values as one operand: `inline_triton.tuple(%a, %b) : tuple<!tile.ref<…>, !tile.ref<…>>`. Pure."""

    name = "inline_triton.tuple"

    args = var_operand_def()
    result = result_def(BaseAttr(TupleType))

    traits = traits_def(Pure())
    assembly_format = "`(` $args `)` attr-dict `:` functional-type($args, $result)"

    def __init__(self, args: Sequence[SSAValue]):
        types = tuple(arg.type for arg in args if isinstance(arg.type, TypeAttribute))
        super().__init__(operands=[args], result_types=[TupleType(types)])

    def verify_(self) -> None:
        assert isinstance(self.result.type, TupleType)
        if self.result.type.types.data != tuple(arg.type for arg in self.args):
            raise VerifyException("the result must be the tuple of the operands' types")


@irdl_op_definition
class ElementOp(IRDLOperation):
    """One value of a tuple: `inline_triton.element %t[%i] : tuple<!tile.ref<…>, …>, i32 -> !tile.ref<…>`. Pure.

    The index is known when the kernel is compiled: a constant, or what pure scalar ops make of constants and of the
    indices of `static` loops. Unless it is a constant, all elements have one type.
    The ref is the same memory as the tuple's: an access to either may touch the other.
    """

    name = "inline_triton.element"

    input = operand_def(BaseAttr(TupleType))
    index = operand_def(IndexInt)
    result = result_def()

    traits = traits_def(Pure())
    assembly_format = "$input `[` $index `]` attr-dict `:` type($input) `,` type($index) `->` type($result)"

    def __init__(self, value: SSAValue, index: SSAValue):
        assert isinstance(value.type, TupleType)
        number = integer_of(index)
        super().__init__(operands=[value, index], result_types=[value.type.types.data[number or 0]])

    def verify_(self) -> None:
        assert isinstance(self.input.type, TupleType)
        types = self.input.type.types.data
        number = integer_of(self.index)
        if number is not None and not 0 <= number < len(types):
            raise VerifyException(f"element {number} of a tuple of {len(types)}")
        if number is None and len(set(types)) != 1:
            raise VerifyException("only a constant may choose among elements of different types")
        if number is None and not is_static_index(self.index):
            raise VerifyException("the index must be a constant, or computed from those and indices of static loops")
        if self.result.type != types[number or 0]:
            raise VerifyException(f"element {number or 0} is {types[number or 0]}, got {self.result.type}")


def is_static_index(index: SSAValue) -> bool:
    """Whether an index is known at compile time of the emitted kernel: computed from constants and static loops."""
    if isinstance(index, BlockArgument):
        loop = index.block.parent_op()
        return loop is not None and index.index == 0 and is_static_loop(loop)
    owner = index.owner
    return isinstance(owner, Operation) and is_side_effect_free(owner) and all(map(is_static_index, owner.operands))


def is_static_loop(op: Operation) -> bool:
    """Whether a loop of either level has a known number of iterations, each with its index as a constant."""
    return "static" in op.properties or "static" in op.attributes


InlineTriton = Dialect("inline_triton", [SnippetOp, CallOp, AsmOp, MakeTupleOp, ElementOp])
quicken(InlineTriton.operations)

__all__ = [
    "AsmOp", "CallOp", "ElementOp", "InlineTriton", "MakeTupleOp", "SnippetOp",
    "UnknownEffectsUnlessPure", "is_static_index", "is_static_loop", "placeholders",
]  # fmt: skip
