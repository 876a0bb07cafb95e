"""Memory effects per ref: which operand an op reads, writes, or both.

Passes ask for effects, never for op kinds. An effect names the ref (or base pointer) that is touched, so
accesses to different buffers never conflict unless an alias analysis says otherwise.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.traits import (
    EffectInstance,
    MemoryEffect,
    MemoryEffectKind,
    NoMemoryEffect,
    OpTrait,
    Resource,
    get_effects,
    is_side_effect_free,
)

READ, WRITE = MemoryEffectKind.READ, MemoryEffectKind.WRITE


@dataclass(frozen=True)
class OperandEffect(MemoryEffect):
    """The op has the effects `kinds` on its operand number `operand`."""

    kinds: tuple[MemoryEffectKind, ...]
    operand: int = 0

    def get_effects(self, op: Operation) -> AbstractSet[EffectInstance]:  # pyright: ignore[reportIncompatibleMethodOverride]
        value = op.operands[self.operand]
        return {EffectInstance(kind, value) for kind in self.kinds}


class UnknownEffects(MemoryEffect):
    """The op may read and write anything: opaque text, barriers."""

    @classmethod
    def get_effects(cls, op: Operation) -> AbstractSet[EffectInstance]:
        return frozenset((EffectInstance(READ), EffectInstance(WRITE)))


class AtomicEffects(MemoryEffect):
    """An atomic reads and writes its first operand. Unless its semantics (`sem`) are relaxed, it orders all memory:
    other programs and kernels, which see the order, may write what this one only reads."""

    @classmethod
    def get_effects(cls, op: Operation) -> AbstractSet[EffectInstance]:
        if orders_all(op):
            return UnknownEffects.get_effects(op)
        return {EffectInstance(kind, op.operands[0]) for kind in (READ, WRITE)}


def orders_all(op: Operation) -> bool:
    """Whether an op is an atomic that releases or acquires."""
    sem = op.properties.get("sem")
    return op.has_trait(AtomicEffects) and isinstance(sem, StringAttr) and sem.data != "relaxed"


class Console(Resource):
    """Where programs print: no memory of theirs."""

    def name(self) -> str:
        return "<Console>"


CONSOLE = Console()


class WritesConsole(MemoryEffect):
    """The op prints."""

    @classmethod
    def get_effects(cls, op: Operation) -> AbstractSet[EffectInstance]:
        return frozenset((EffectInstance(WRITE, resource=CONSOLE),))


class ThreadBarrier(OpTrait):
    """A barrier of the program's threads: accesses before it are visible to all of them after it."""


class TouchesNoMemory(OpTrait):
    """The op has effects so that it stays where it is; it touches no memory of the kernel's."""


class OrdersMemory(OpTrait):
    """The op of unknown effects says which side of it orders memory; without the trait, both sides do."""

    @classmethod
    @abstractmethod
    def releases(cls, op: Operation) -> bool:
        """Whether accesses before the op must be done when it runs."""

    @classmethod
    @abstractmethod
    def acquires(cls, op: Operation) -> bool:
        """Whether accesses after the op must wait for it."""


Reads = OperandEffect((READ,))
Writes = OperandEffect((WRITE,))
ReadsAndWrites = OperandEffect((READ, WRITE))


def has_no_effects(op: Operation) -> bool:
    """xDSL's `is_side_effect_free`, cached by class where the answer is the same for all ops of a class."""
    answer = _never_has_effects(type(op))
    return is_side_effect_free(op) if answer is None else answer


@cache
def _never_has_effects(cls: type[Operation]) -> bool | None:
    """Whether the ops of a class never have effects, or always some; None if that depends on the op."""
    interfaces = cls.get_traits_of_type(MemoryEffect)
    if any(isinstance(trait, OperandEffect) and trait.kinds for trait in interfaces):
        return False
    return True if interfaces and all(isinstance(trait, NoMemoryEffect) for trait in interfaces) else None


def ref_effects(op: Operation) -> Sequence[tuple[MemoryEffectKind, SSAValue]] | None:
    """xDSL's `get_effects` of an op whose effects are on values (printing apart, which touches no memory); None if
    some are unknown, or on anything else."""
    if (known := _operand_effects(type(op))) is not None:
        operands = op.operands
        return [(kind, operands[effect.operand]) for effect in known for kind in effect.kinds]
    effects = get_effects(op)
    if effects is None:
        return None
    effects = [effect for effect in effects if effect.resource is not CONSOLE]
    on_values = [(effect.kind, effect.value) for effect in effects if isinstance(effect.value, SSAValue)]
    return on_values if len(on_values) == len(effects) else None


@cache
def _operand_effects(cls: type[Operation]) -> tuple[OperandEffect, ...] | None:
    """All effects of the ops of a class, if those are on operands; None if there may be others, or none."""
    interfaces = cls.get_traits_of_type(MemoryEffect)
    found = tuple([trait for trait in interfaces if isinstance(trait, OperandEffect)])
    return found if found and len(found) == len(interfaces) else None
