"""The kernel of a `tile` module: its arguments, its symbols, its host side."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    IntAttr,
    IntegerType,
    StringAttr,
    SymbolNameConstraint,
    TupleType,
    i32,
)
from xdsl.ir import Attribute, Block, Operation, Region
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
)
from xdsl.traits import (
    IsolatedFromAbove,
    NoTerminator,
    SymbolOpInterface,
)
from xdsl.utils.exceptions import VerifyException

from ..axis_kinds import CarriesAxes
from ..names import LAUNCH
from ..questions import questions_of
from .types import BlockAttr, IndexInt, MemoryAttr, RefType


@irdl_op_definition
class KernelOp(IRDLOperation):
    """One GPU kernel without a config: top-level loops over host tensors and scalars.

    ```mlir
    tile.kernel @add attributes {arg_names = ["x", "out"], ...} {
    ^bb0(%x: !tile.ref<[1000], [1], f32, align 16>, %out: !tile.ref<[1000], [1], f32, align 16>):
      ...
    }
    ```

    - `arg_names[i]`: the parameter's name in the emitted kernel; `arg_exprs[i]`: the Python expression that the
      host function passes for it. Arguments are refs, scalars, and tuples of refs (`tuple<!tile.ref<…>, …>`).
    - `symbols`: size and stride symbols of the types (`s0`), each with the host expression that computes it.
    - `blocks`: every block symbol with its `BlockAttr`; `block_sizes`: the config's choice (assign-block-sizes).
    - `host`: source of the host function; the statement `__launch__()` stands where the kernel is launched.
    - `index_type`: i32 or i64, the type of positions.
    - `memory`: for each argument the memory of its refs (one; a tuple's elements; none for a scalar). Without it every
      argument, and every element of a tuple, is memory of its own.
    - `options`: launch options of the config (`num_warps`, `num_stages`, `maxnreg`).
    """

    name = "tile.kernel"

    sym_name = prop_def(SymbolNameConstraint())
    arg_names = prop_def(ArrayAttr[StringAttr])
    arg_exprs = prop_def(ArrayAttr[StringAttr])
    symbols = prop_def(DictionaryAttr)
    blocks = prop_def(DictionaryAttr)
    block_sizes = opt_prop_def(DictionaryAttr)
    host = prop_def(StringAttr)
    index_type = prop_def(IndexInt)
    memory = opt_prop_def(ArrayAttr[ArrayAttr[MemoryAttr]])
    options = opt_prop_def(DictionaryAttr)
    body = region_def("single_block")

    traits = traits_def(IsolatedFromAbove(), SymbolOpInterface(), NoTerminator(), CarriesAxes())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$sym_name attr-dict-with-keyword $body"

    def __init__(
        self,
        name: str,
        arg_names: Sequence[str],
        arg_exprs: Sequence[str],
        arg_types: Sequence[Attribute],
        *,
        symbols: Mapping[str, str] | None = None,
        blocks: Mapping[str, BlockAttr] | None = None,
        host: str = "",
        index_type: IntegerType = i32,
    ):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "arg_names": ArrayAttr([StringAttr(n) for n in arg_names]),
                "arg_exprs": ArrayAttr([StringAttr(e) for e in arg_exprs]),
                "symbols": DictionaryAttr({k: StringAttr(v) for k, v in (symbols or {}).items()}),
                "blocks": DictionaryAttr(dict(blocks or {})),
                "host": StringAttr(host),
                "index_type": index_type,
            },
            regions=[Region(Block(arg_types=arg_types))],
        )

    @property
    def block_size_values(self) -> dict[str, int]:
        """Block symbol → size, as far as the config or the user fixed it.

        What is asked of the sizes is noted where a caller of the passes wants to know it (`questions`).
        """
        sizes = {name: block.fixed for name, block in self.blocks.data.items() if isinstance(block, BlockAttr)}
        asked = questions_of(self)
        for name, size in self.block_sizes.data.items() if self.block_sizes else ():
            assert isinstance(size, IntAttr)
            sizes[name] = size.data if asked is None else asked.size(name, size.data)
        return {name: size for name, size in sizes.items() if size is not None}

    def verify_(self) -> None:
        count = len(self.body.block.args)
        if len(self.arg_names) != count or len(self.arg_exprs) != count:
            raise VerifyException(f"arg_names and arg_exprs must have one entry for each of the {count} arguments")
        if self.memory is not None and len(self.memory) != count:
            raise VerifyException(f"memory must have one entry for each of the {count} arguments")
        if self.host.data:
            _check_host(self.host.data)


@lru_cache(maxsize=256)
def _check_host(source: str) -> None:
    """Raise for a host function that is no Python, or that never launches its kernel and raises nowhere instead."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError as error:
        raise VerifyException(f"host is no Python: {error.msg}, line {error.lineno}") from error
    calls = (node.func for node in nodes if isinstance(node, ast.Call))
    if any(isinstance(node, ast.Raise) for node in nodes):  # a call that returns before its loops
        return
    if not any(isinstance(called, ast.Name) and called.id == LAUNCH for called in calls):
        raise VerifyException(f"host never launches the kernel: it has no statement {LAUNCH}()")


def kernel_around(op: Operation | None) -> KernelOp | None:
    """The kernel that an op is in; None for an op outside of any."""
    while op is not None and not isinstance(op, KernelOp):
        op = op.parent_op()
    return op


def some_tensor(arguments: Iterable[tuple[str, Attribute]]) -> str | None:
    """The host expression of a tensor among what arguments pass, each a host expression and a type; None if there is
    none. A call makes its tensor for the launch: what is asked of it would make another. A view stands for its base."""
    for expression, type_ in arguments:
        if isinstance(type_, TupleType):
            items = ((f"{expression}[{i}]", item) for i, item in enumerate(type_.types))
            if (found := some_tensor(items)) is not None:
                return found
        elif isinstance(type_, RefType) and (base := _base(expression)) is not None:
            return base
    return None


def _base(expression: str) -> str | None:
    """The tensor that method calls at the end of a host expression are views of; None if a function makes it."""
    if not expression.endswith(")"):
        return expression
    node = ast.parse(expression, mode="eval").body
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    text = ast.unparse(node)
    return None if isinstance(node, ast.Call) or text == "torch" else text


__all__ = ["KernelOp", "kernel_around", "some_tensor"]
