"""Print a kernel again for other constexpr values and launch options: only its host function changes."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import DictionaryAttr, ModuleOp

from .host import HostFunction
from .module import emit

_HOST = "\0"
"""Stands where the host function belongs."""


@dataclass(frozen=True)
class TritonText:
    """The emitted text of a module with one kernel, open where the host function stands."""

    host: HostFunction | None
    before: str
    after: str

    @classmethod
    def of(cls, module: ModuleOp) -> TritonText:
        """Print `module`, which must not be changed after this."""
        hosts: list[HostFunction] = []

        def mark(host: HostFunction) -> str:
            hosts.append(host)
            return _HOST

        before, _, after = emit(module, host=mark).partition(_HOST)
        return cls(hosts[0] if hosts else None, before, after)

    def source(self, constexprs: DictionaryAttr, options: DictionaryAttr) -> str:
        """The text that `emit` prints for a kernel with these `constexprs` (of the same names) and `options`."""
        if self.host is None:
            return self.before
        return self.before + self.host.text(constexprs, options) + self.after
