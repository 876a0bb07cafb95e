"""What a config says of what Python needs to know while a kernel is traced: tunables, and answers about block sizes.

Most kernels are traced once for all configs. Where the user's code takes the value of a tunable, compares block sizes
or needs one as a number, the trace holds for the configs that answer alike; `runtime.variants` traces again for others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .. import exc
from ..dialects.questions import answer
from ..passes.fragments import Fragment

TYPICAL = 32
"""The block size that a trace takes for granted before there is a config."""


@dataclass(frozen=True)
class Choices:
    """The values of tunables by name, and the sizes of block symbols; what is not there has its default.

    `read`: what host code is known to read of the arguments' data.
    """

    tunables: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    blocks: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    read: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


DEFAULTS = Choices()


class Asked:
    """What one trace asked of the config, and the answers that it went by."""

    def __init__(self, choices: Choices):
        self._choices = choices
        self.read = dict(choices.read)
        self.fragments: dict[str, Fragment] = {}
        self.values: dict[str, Any] = {}
        """The values of the tunables."""
        self.answers: dict[str, Any] = {}
        """Questions about block sizes (`dialects.questions`) and their answers."""

    def tunable(self, name: str, fragment: Fragment) -> Any:
        """The value of a tunable, which must be new."""
        if name in self.fragments:
            raise exc.TunableNameConflict(f"the tunable {name!r} is registered twice")
        self.fragments[name] = fragment
        self.values[name] = self._choices.tunables.get(name, fragment.default())
        return self.values[name]

    def ask(self, question: str, limits: Mapping[str, tuple[int, int | None]]) -> Any:
        """The answer to a question about block sizes; `limits` are the least and the largest size of each symbol."""
        sizes = {name: self._size(name, *ends) for name, ends in limits.items()}
        return self.answers.setdefault(question, answer(question, sizes))

    def _size(self, name: str, low: int, high: int | None) -> int:
        size = self._choices.blocks.get(name, TYPICAL)
        return max(low, size if high is None else min(high, size))
