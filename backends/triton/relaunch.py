"""Print a kernel again for other constexpr values and launch options: only its host function changes."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import DictionaryAttr, ModuleOp

from ...dialects import tl
from .host import host_function, makes_descriptors
from .module import emit


_HOST = "\0"
"""Stands where the host function belongs."""


@dataclass(frozen=True)
class Relaunch:
    """The emitted text of a module with one kernel, open where the host function stands."""

    func: tl.FuncOp
    allocates: bool
    before: str
    after: str

    @classmethod
    def of(cls, module: ModuleOp) -> Relaunch:
        """Print `module`, which must not be changed from here on."""
        func = next(op for op in module.body.block.ops if isinstance(op, tl.FuncOp))
        allocates = makes_descriptors(func)
        before, _, after = emit(module, host=lambda func, *, allocates: _HOST).partition(_HOST)
        return cls(func, allocates, before, after)

    def source(self, constexprs: DictionaryAttr, options: DictionaryAttr) -> str:
        """What `emit` would print, had the kernel these `constexprs` (of the same names) and `options`."""
        if not self.func.host.data:
            return self.before
        saved = self.func.constexprs, self.func.options
        try:
            self.func.constexprs, self.func.options = constexprs, options
            return self.before + host_function(self.func, allocates=self.allocates) + self.after
        finally:
            self.func.constexprs, self.func.options = saved
