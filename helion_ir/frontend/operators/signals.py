"""`hl.signal` and `hl.wait`: atomics on slots of pads, which order the memory around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from xdsl.ir import SSAValue

from ... import exc
from ... import language as hl
from ...dialects import tile
from ...language.api import implement
from ..tensors import DeviceTensor, HostTensor
from ..tracer import Tracer
from . import memory

CAS, LOAD = "atomic_cas", "ld"


@implement(hl.signal)
def signal(
    tracer: Tracer,
    pads: Any,
    index: Any,
    signal: Any = 1,
    wait_for: Any = None,
    op: str = "atomic_xchg",
    sem: str = "release",
    scope: str = "sys",
) -> DeviceTensor | None:
    op = CAS if wait_for is not None and op == "atomic_xchg" else op
    kinds = (*(f"atomic_{kind}" for kind in tile.ATOMIC_KINDS), CAS)
    _check(op, kinds, scope, swaps=wait_for is not None, what="wait_for")
    held: list[DeviceTensor] = []
    for pad in _pads(tracer, pads):
        kind = op.removeprefix("atomic_")
        if wait_for is not None:
            _wait(tracer, pad, index, wait_for, signal, sem, scope)
        else:
            held.append(memory.atomic(tracer, kind, pad, index, signal, sem, scope))
    return held[0] if len(held) == 1 and isinstance(pads, torch.Tensor) else None


@implement(hl.wait)
def wait(
    tracer: Tracer,
    pads: Any,
    index: Any,
    signal: Any = 1,
    update: Any = None,
    op: str = LOAD,
    sem: str = "acquire",
    scope: str = "sys",
) -> None:
    op = CAS if update is not None and op == LOAD else op
    _check(op, (LOAD, CAS), scope, swaps=update is not None, what="update")
    for pad in _pads(tracer, pads):
        _wait(tracer, pad, index, signal, update, sem, scope)


def _check(op: Any, legal: Sequence[str], scope: Any, *, swaps: bool, what: str) -> None:
    if op not in legal:
        raise exc.InvalidAPIUsage(f"unknown op {op!r}", hint=f"one of {', '.join(legal)}")
    if scope not in tile.SCOPES:
        raise exc.InvalidAPIUsage(f"unknown scope {scope!r}", hint=f"one of {', '.join(tile.SCOPES)}")
    if swaps != (op == CAS):
        raise exc.InvalidAPIUsage(f"{what} and op='{CAS}' go together, got op={op!r}")


def _pads(tracer: Tracer, pads: Any) -> Iterator[torch.Tensor]:
    """The tensors that hold slots."""
    if isinstance(pads, HostTensor | torch.Tensor) and not isinstance(pads, DeviceTensor):
        yield pads
        return
    try:
        several = [] if isinstance(pads, DeviceTensor | str) else list(pads)
    except TypeError:
        several = []
    if not several or not all(isinstance(pad, torch.Tensor) for pad in several):
        raise exc.InvalidAPIUsage(
            f"the slots of a signal lie in a host tensor, or in each of a tuple of them, not in a {type(pads).__name__}"
        )
    yield from several


def _wait(tracer: Tracer, pad: torch.Tensor, index: Any, expected: Any, update: Any, sem: str, scope: str) -> None:
    tensor, where = memory.atomic_target(tracer, pad, index, sem, "cas")
    wanted = memory.stored(tracer, tensor, where, expected)
    new: SSAValue | None = None if update is None else memory.stored(tracer, tensor, where, update)
    tracer.effects += 1
    tracer.builder.append(
        tile.AtomicWaitOp(
            wanted, tracer.ref(tensor), where.indices, new, sem=sem, scope=scope, tiles=where.tiles,
            mask=memory.mask_of(tracer, None, where),
        )
    )  # fmt: skip
