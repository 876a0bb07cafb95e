"""`hl.pdl_wait` and `hl.pdl_launch_dependents`: where they may stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from xdsl.ir import Operation

from .. import exc
from .. import language as hl
from ..dialects.quick import ops_in
from ..dialects.tile import GridOp, KernelOp, grids_of, has_barriers
from ..dialects.tl import PdlLaunchDependentsOp, PdlWaitOp
from ..language.api import implement
from ..passes.analysis.accesses import Access, accesses_of
from ..passes.analysis.phases import uncut
from .tracer import Tracer


@implement(hl.pdl_wait)
def pdl_wait(tracer: Tracer) -> None:
    _append(tracer, PdlWaitOp())


@implement(hl.pdl_launch_dependents)
def pdl_launch_dependents(tracer: Tracer) -> None:
    _append(tracer, PdlLaunchDependentsOp())


def _append(tracer: Tracer, op: PdlWaitOp | PdlLaunchDependentsOp) -> None:
    if not tracer.in_device:
        name = op.name.removeprefix("tl.")
        raise exc.PdlPlacement(f"hl.{name}() is called in host code", hint="call it inside the top-level loops")
    tracer.starts_early = True
    tracer.builder.append(op)


class _Mistake(NamedTuple):
    op: Operation
    what: str
    hint: str


def check_early_launch(kernel: KernelOp) -> None:
    """Refuse a kernel that could run before what it needs is there. Raises `PdlPlacement` at the line."""
    mistake = next(_mistakes(kernel), None)
    if mistake is not None:
        raise exc.PdlPlacement(mistake.what, hint=mistake.hint, location=exc.SourceLocation.of_op(mistake.op))


def _mistakes(kernel: KernelOp) -> Iterator[_Mistake]:
    ops = [op for op in ops_in(kernel) if isinstance(op, PdlWaitOp | PdlLaunchDependentsOp)]
    for op in ops:
        if not isinstance(op.parent_op(), GridOp):
            name = op.name.removeprefix("tl.")
            yield _Mistake(
                op, f"hl.{name}() stands in an inner loop or a branch, where not every program may come",
                "call it in the body of the top-level loop",
            )  # fmt: skip
    if ops and (has_barriers(kernel) or uncut(kernel)):
        yield _Mistake(
            ops[0], "programs that meet at barriers between top-level loops must not start early",
            "make it two kernels",
        )  # fmt: skip
    waits = [op for op in ops if isinstance(op, PdlWaitOp)]
    if waits:
        yield from _early_accesses(kernel)


def _early_accesses(kernel: KernelOp) -> Iterator[_Mistake]:
    """What comes before the wait, and must not."""
    accesses = accesses_of(kernel)
    for access in accesses:
        if access.op.parent_op() is kernel:
            yield _Mistake(access.op, "a bound of a loop is loaded before hl.pdl_wait()", "compute it in host code")
    for grid in grids_of(kernel):
        body = list(grid.body.block.ops)
        wait = next((op for op in body if isinstance(op, PdlWaitOp)), None)
        if wait is None:
            yield _Mistake(grid, "this loop does not call hl.pdl_wait(), but another one does", "call it in each")
            return
        before = set(body[: body.index(wait)])
        for access in accesses:
            if access.writes and _within(access, grid, before):
                yield _Mistake(
                    access.op, "this writes before hl.pdl_wait(): the kernel before may still use that memory",
                    "write after the wait",
                )  # fmt: skip


def _within(access: Access, grid: GridOp, ops: set[Operation]) -> bool:
    op: Operation | None = access.op
    while op is not None and op.parent_op() is not grid:
        op = op.parent_op()
    return op in ops


__all__ = ["check_early_launch"]
