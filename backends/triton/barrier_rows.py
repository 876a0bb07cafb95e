"""Barriers of the whole grid, and kernels that wait for each other: jit functions, and the host's part."""

from __future__ import annotations

from xdsl.ir import Operation

from ...dialects import tl
from ...sizes import BARRIER_STATE, EARLY_LAUNCH, TOGETHER
from .expressions import Expr, PrinterContext, Row, call

GRID_BARRIER = "_grid_barrier"
GRID_BARRIER_SOURCE = '''@triton.jit
def _grid_barrier(state):
    """All programs meet, and see what any of them wrote before; their shares of a barrier add up to the sign bit."""
    others = tl.num_programs(0) - 1
    share = tl.where(tl.program_id(0) == 0, -2147483648 ^ -others, 1)
    tl.debug_barrier()
    before = tl.atomic_add(state, share, sem="acq_rel", scope="gpu")
    while ((before ^ tl.atomic_add(state, 0, sem="acquire", scope="gpu")) & -2147483648) == 0:
        pass
    tl.debug_barrier()
'''
"""One program brings 2³¹ less the number of the others, each of which brings 1: whatever the order, the sign flips
when the last one comes, and the rest of the counter is 0 again. So it serves any number of barriers and of launches, of
any number of programs, and nothing is cleared in between. The sign flips early for nobody: a program of the next
barrier adds to the rest only, until all have come there. (The counter is that of the grid barrier of NVIDIA's
cooperative groups.)

One thread of each program adds: it releases what the others, which met it before, wrote, and acquires for them.
"""

PDL_SOURCES = {
    tl.PdlWaitOp: '''@triton.jit
def _pdl_wait(EARLY: tl.constexpr):
    """Wait until the kernel before this one has ended, where it may not have."""
    if EARLY:
        tl.extra.cuda.gdc_wait()
''',
    tl.PdlLaunchDependentsOp: '''@triton.jit
def _pdl_launch_dependents(EARLY: tl.constexpr):
    """The kernel after this one may start, where it can so early."""
    if EARLY:
        tl.extra.cuda.gdc_launch_dependents()
''',
}

HOST_SOURCES = {
    EARLY_LAUNCH: '''def _early_launch(tensor):
    """Whether kernels can start before the one before them has ended: on NVIDIA's GPUs from sm_90 on."""
    if not tensor.is_cuda or torch.version.hip is not None:
        return 0
    return int(torch.cuda.get_device_capability(tensor.device) >= (9, 0))
''',
    TOGETHER: '''def _together(tensor, programs):
    """How many of so many programs meet: Triton's interpreter runs one after the other, and takes a single one."""
    return programs if tensor.is_cuda else 1
''',
    BARRIER_STATE: '''_barrier_states = {}


def _barrier_state(tensor):
    """The counter by which the programs of a launch meet: launches on one stream follow each other and share one; a
    graph, which may run beside them, has its own."""
    if not tensor.is_cuda or torch.cuda.is_current_stream_capturing():
        return torch.zeros(1, dtype=torch.int32, device=tensor.device)
    place = tensor.device, torch.cuda.current_stream(tensor.device).cuda_stream
    if place not in _barrier_states:
        _barrier_states[place] = torch.zeros(1, dtype=torch.int32, device=tensor.device)
    return _barrier_states[place]
''',
}
"""Functions of host text, which a module defines where its text calls them."""
HOST_NAMES = {name: f"_{name.strip('_')}" for name in HOST_SOURCES}


def _grid_barrier(context: PrinterContext, op: tl.GridBarrierOp) -> Expr:
    context.source(GRID_BARRIER, GRID_BARRIER_SOURCE.strip("\n"))
    return call(GRID_BARRIER, *map(context.expr, op.operands))


def _pdl(context: PrinterContext, op: tl.PdlWaitOp | tl.PdlLaunchDependentsOp) -> Expr:
    name = f"_{op.name.removeprefix('tl.')}"
    context.source(name, PDL_SOURCES[type(op)].strip("\n"))
    return call(name, tl.EARLY)


BARRIERS: dict[type[Operation], Row] = {
    tl.GridBarrierOp: _grid_barrier, tl.PdlWaitOp: _pdl, tl.PdlLaunchDependentsOp: _pdl
}  # fmt: skip

__all__ = ["BARRIERS", "HOST_NAMES", "HOST_SOURCES"]
