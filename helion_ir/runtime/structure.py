"""What configs of one kernel share: a lowered module, for all that would have answered lowering's questions alike.

Most configs of a search differ from one before in warps, stages, or in block sizes that leave every mask and shape
as it was. The lowered module is then the same but for constexpr values and launch options, so it is lowered and
printed once for all of them; only the host function is printed again. Which sizes those are is not guessed: lowering
notes what it asks of them (`dialects.questions`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from xdsl.dialects.builtin import DictionaryAttr, IntAttr, ModuleOp

from ..backends.base import Backend, Text
from ..config import Config
from ..dialects.names import block_param
from ..dialects.questions import Questions, answer, note_questions
from ..dialects.tile import KernelOp
from ..dialects.tl import FuncOp
from ..passes.analysis.op_mix import free_blocks

LAUNCH_KEYS = ("num_warps", "num_stages", "maxnreg")
"""Config keys that the launch takes."""
_ASKED = ("num_warps", "num_stages")
"""Those that passes may ask for by `questions.asked`, too; what else is read of them is not noted."""


def only_kernel(module: ModuleOp) -> KernelOp:
    """The one `tile.kernel` of a module."""
    return next(op for op in module.body.block.ops if isinstance(op, KernelOp))


def only_func(module: ModuleOp) -> FuncOp:
    """The one `tl.func` of a module."""
    return next(op for op in module.body.block.ops if isinstance(op, FuncOp))


@dataclass(frozen=True)
class Structure:
    """A lowered module, printed but for what a launch passes."""

    module: ModuleOp
    text: Text
    block_params: dict[str, str]
    """Block symbols that a config chooses, and the constexpr parameter that holds each."""

    @classmethod
    def of(cls, module: ModuleOp, symbols: Sequence[str], backend: Backend) -> Structure:
        """The structure of a lowered module; `symbols` are the block symbols that a config chooses."""
        params = {symbol: block_param(symbol) for symbol in symbols}
        present = only_func(module).constexprs.data
        return cls(module, backend.text(module), {s: p for s, p in params.items() if p in present})


@dataclass
class _Node:
    """Structures that gave the same answers so far: told apart by the next question, which nearly always is one."""

    structure: Structure | None = None
    questions: dict[str, dict[Any, _Node]] = field(default_factory=dict)

    def find(self, sizes: Mapping[str, int]) -> Structure | None:
        if self.structure is not None:
            return self.structure
        for question, answers in self.questions.items():
            node = answers.get(answer(question, sizes))
            if node is not None and (found := node.find(sizes)) is not None:
                return found
        return None


class Structures:
    """What the normalized configs of one kernel were lowered to."""

    def __init__(self, module: ModuleOp) -> None:
        self._symbols = [symbol for symbol, _ in free_blocks(only_kernel(module))]
        self._roots: dict[Hashable, _Node] = {}

    def sizes(self, config: Mapping[str, object]) -> dict[str, int]:
        """Block symbol → size, for the symbols that the config chooses."""
        return dict(zip(self._symbols, cast("Sequence[int]", config.get("block_sizes", ())), strict=False))

    def questions(self, module: ModuleOp) -> Questions:
        """Records each question about block sizes, warps and stages while a config is lowered in `module`."""
        return note_questions(only_kernel(module), frozenset((*self._symbols, *_ASKED)))

    def find(self, config: Config) -> Structure | None:
        """The structure that lowering `config` would make again."""
        root = self._roots.get(_exact_part(config))
        return None if root is None else root.find(self.numbers(config))

    def numbers(self, config: Mapping[str, object]) -> dict[str, int]:
        """What questions may be about: block sizes, and what the launch takes."""
        launch = {key: cast("int", config[key]) for key in LAUNCH_KEYS if config.get(key) is not None}
        return {**self.sizes(config), **launch}

    def add(self, config: Config, questions: Questions, structure: Structure) -> None:
        """Keep what `config` was lowered to, for all configs with the same answers."""
        node = self._roots.setdefault(_exact_part(config), _Node())
        for question, given in questions.answers.items():
            node = node.questions.setdefault(question, {}).setdefault(given, _Node())
        node.structure = structure

    def clear(self) -> None:
        """Forget all of them."""
        self._roots.clear()

    def __len__(self) -> int:
        pending, count = list(self._roots.values()), 0
        while pending:
            node = pending.pop()
            count += node.structure is not None
            pending += [child for answers in node.questions.values() for child in answers.values()]
        return count


def _exact_part(config: Mapping[str, object]) -> Hashable:
    """All of a config but block sizes and what the launch alone takes."""
    rest = [(key, value) for key, value in config.items() if key not in (*LAUNCH_KEYS, "block_sizes")]
    # normalized, so in one order and spelling; quicker than hashing nested lists
    return repr(rest), config.get("maxnreg") is None


@dataclass(frozen=True)
class LoweredConfig:
    """One config's kernel: a structure, and the values of its constexpr parameters and launch options."""

    config: Config
    structure: Structure
    constexprs: DictionaryAttr
    options: DictionaryAttr

    @classmethod
    def of(cls, structure: Structure, config: Config, sizes: Mapping[str, int]) -> LoweredConfig:
        """A config that shares `structure`; `sizes` are the block sizes it chooses."""
        func = only_func(structure.module)
        constexprs, options = dict(func.constexprs.data), dict(func.options.data)
        for symbol, param in structure.block_params.items():
            constexprs[param] = IntAttr(int(sizes[symbol]))
        options |= {key: IntAttr(int(cast("int", config[key]))) for key in LAUNCH_KEYS if config.get(key) is not None}
        return cls(config, structure, DictionaryAttr(constexprs), DictionaryAttr(options))

    @property
    def source(self) -> str:
        """The emitted module."""
        return self.structure.text.source(self.constexprs, self.options)

    def module(self) -> ModuleOp:
        """The `tl` module of this config (a copy)."""
        module = self.structure.module.clone()
        func = only_func(module)
        func.constexprs, func.options = self.constexprs, self.options
        return module
