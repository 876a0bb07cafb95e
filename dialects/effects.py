"""Memory effects per ref: which operand an op reads, writes, or both.

Passes ask for effects, never for op kinds. An effect names the ref (or base pointer) that is touched, so
accesses to different buffers never conflict unless an alias analysis says otherwise.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from xdsl.ir import Operation
from xdsl.traits import EffectInstance, MemoryEffect, MemoryEffectKind, NoMemoryEffect, is_side_effect_free

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
