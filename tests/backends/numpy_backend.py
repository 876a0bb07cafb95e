"""A backend in a page: it prints `tl` as pseudo-Python over NumPy, and has one pass that owns a config key."""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType
from typing import ClassVar

from helion_ir.backends.base import Backend
from helion_ir.dialects import tl
from helion_ir.passes.fragments import EnumFragment
from helion_ir.passes.schedule import Fragments, Key, SchedulePass
from xdsl.context import Context
from xdsl.dialects.builtin import (
    BFloat16Type,
    DictionaryAttr,
    Float32Type,
    IntAttr,
    IntegerType,
    ModuleOp,
    StringAttr,
    UnitAttr,
)
from xdsl.ir import Block, SSAValue


@dataclass(frozen=True)
class SpellPass(SchedulePass):
    """Give every value of a `tl` function a name in a `spelling`, and mark the loads that are to be asynchronous."""

    name = "numpy-spell"
    keys: ClassVar = (Key("spelling", scalar=True), Key("asynchronous", scalar=True))
    spelling: str = "v"
    asynchronous: bool = False

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        return {"spelling": [EnumFragment(("v", "x"))], "asynchronous": [EnumFragment((False, True))]}

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for number, inner in enumerate(op.walk()):
            if inner.results:
                inner.attributes["spelled"] = StringAttr(f"{self.spelling}{number}")
            if isinstance(inner, tl.FuncOp):
                inner.options = DictionaryAttr({**inner.options.data, "asynchronous": IntAttr(int(self.asynchronous))})
            if self.asynchronous and isinstance(inner, tl.LoadOp):
                inner.attributes["asynchronous"] = UnitAttr()


class NumPyBackend(Backend):
    """Prints, and runs what it prints: it says which ops the kernel has."""

    name = "numpy"
    tl_passes: ClassVar = {"numpy-spell": lambda: SpellPass}
    dtypes = frozenset((Float32Type, BFloat16Type, IntegerType))

    def emit(self, module: ModuleOp) -> str:
        (func,) = (op for op in module.ops if isinstance(op, tl.FuncOp))
        lines = [f"def {func.sym_name.data}({', '.join(name.data for name in func.arg_names)}):"]
        names: dict[SSAValue, str] = {}
        self._block(func.body.block, "    ", names, lines)
        launch = {**func.constexprs.data, **func.options.data}
        return "\n".join(["import numpy as np", *lines, f"# {', '.join(f'{n}={v.data}' for n, v in launch.items())}\n"])

    def _block(self, block: Block, indent: str, names: dict[SSAValue, str], lines: list[str]) -> None:
        for op in block.ops:
            for result in op.results:
                names[result] = op.attributes["spelled"].data
            args = ", ".join(names.get(value, value.name_hint or "arg") for value in op.operands)
            left = f"{', '.join(names[result] for result in op.results)} = " if op.results else ""
            call = op.name.replace(".", "_") + ("_async" if "asynchronous" in op.attributes else "")
            lines.append(f"{indent}{left}np.{call}({args})")
            for region in op.regions:
                self._block(region.block, indent + "    ", names, lines)

    def host(self, source: str, name: str) -> FunctionType:
        scope: dict[str, FunctionType] = {}
        exec(f"def {name}(*args): return {source.count('np.')}", scope)
        return scope[name]

    def interpreted(self) -> str | None:
        return "the backend numpy"
