"""Memory effects per ref: which operand an op reads, writes, or both.

Passes ask for effects, never for op kinds. An effect names the ref (or base pointer) that is touched, so
accesses to different buffers never conflict unless an alias analysis says otherwise.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from xdsl.ir import Operation
from xdsl.traits import EffectInstance, MemoryEffect, MemoryEffectKind, NoMemoryEffect, OpTrait, is_side_effect_free

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


class ThreadBarrier(OpTrait):
    """All threads of the program meet: what any did before is visible to all of them afterwards."""


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


_NEVER: dict[type[Operation], bool] = {}
"""Op classes → whether their ops never have effects."""


def has_no_effects(op: Operation) -> bool:
    """xDSL's `is_side_effect_free`, which asks every trait each time; most classes answer for all their ops."""
    cls = type(op)
    never = _NEVER.get(cls)
    if never is None:
        interfaces = op.get_traits_of_type(MemoryEffect)
        never = _NEVER[cls] = bool(interfaces) and all(isinstance(trait, NoMemoryEffect) for trait in interfaces)
    return never or is_side_effect_free(op)
