"""Loops over `hl.static_range`: walked once, as a loop of the IR, or once for each value of the index.

The user's index is a Python int in either case. A loop is walked once only if the program cannot observe it: nothing
needs the index's value (that raises), no Python value or structure of the user's changes from one iteration to the
next, and nothing that the body binds first is read after the loop.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from xdsl.ir import SSAValue

from ...language.tiles import Tile
from ..operators.table import HALVES
from ..symbols.integers import IndexNeeded
from ..symbols.nodes import poly_of
from ..symbols.sizes import Retrace
from ..tensors import AxisTile, DeviceTensor
from .control_flow import ControlFlow
from .environment import Environment, Path, Snapshot, children, is_leaf
from .liveness import Liveness
from .loops import Loop


class StaticRange(Sequence[int]):
    """What `hl.static_range` gives: ints to iterate over; a `for` statement of device code may walk it once."""

    def __init__(self, values: range):
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self.values)


def walk_once(
    control: ControlFlow,
    environment: Environment,
    values: range,
    assigned: Mapping[str, None],
    body: Callable[[Any], None],
) -> bool:
    """Emit a static loop whose body is walked once; False, with nothing changed, if its iterations must be walked."""
    if len(values) < 2 or values.step < 1:
        return False
    tracer = control.tracer
    start, mark = Snapshot(environment), tracer.mark()
    loop = Loop([values.start], [values.stop], [values.step], True, values)

    def checked(index: Any) -> None:
        begin, shapes = Snapshot(environment), _shapes(environment)
        body(index)
        _check_structure(environment, shapes)
        _check_leaves(start, begin, environment.leaves())

    try:
        control.inner(loop, assigned, checked)
    except Retrace:
        raise
    except Exception:
        # Whatever is wrong shows when each iteration is walked, too, and is told in terms of the user's ints.
        start.restore()
        tracer.back_to(mark)
        return False
    return True


def reads_later(liveness: Liveness, node: ast.For, assigned: Mapping[str, None], environment: Environment) -> bool:
    """Whether a variable that the loop binds first is read after it: as its last iteration left it."""
    live = liveness.after.get(node, assigned)
    return any(name in live and name not in environment.local for name in assigned)


def drop_dead(liveness: Liveness, node: ast.For, assigned: Mapping[str, None], environment: Environment) -> None:
    """Forget variables that the loop binds before it reads them, if they are not read after it: not carried."""
    for name in assigned:
        if node in liveness.before and name not in liveness.before[node] and name in environment.local:
            environment.names.pop(name, None)
            environment.local.pop(name)


def _shapes(environment: Environment) -> dict[str, Any]:
    return {
        prefix + name: _shape(frame.names[name], 0)
        for prefix, frame in environment.frames()
        for name in frame.local
        if name in frame.names
    }


def _shape(value: Any, depth: int) -> Any:
    """A value with its leaves left out: containers by structure, anything else by identity."""
    if is_leaf(value):
        return None
    fields = dataclasses.is_dataclass(value) and not isinstance(value, type)
    if (fields or isinstance(value, list | tuple | dict)) and not isinstance(value, Tile) and depth < 6:
        return (type(value), [(key, _shape(child, depth + 1)) for key, child in children(value)])
    return value if isinstance(value, str | None | torch.dtype) else id(value)


def _check_structure(environment: Environment, shapes: Mapping[str, Any]) -> None:
    after = _shapes(environment)
    if any(name not in after or after[name] != shape for name, shape in shapes.items()):
        raise IndexNeeded("a variable changes other than in its values")


def _check_leaves(start: Snapshot, begin: Snapshot, after: Mapping[Path, Any]) -> None:
    """What changes must be device values (or become some) of one kind, each with a variable of its own."""
    places: dict[int, int] = {}
    for leaf in start.leaves.values():
        if isinstance(leaf, DeviceTensor):
            places[id(leaf)] = places.get(id(leaf), 0) + 1
    for path, before in begin.leaves.items():
        if path not in start.leaves or not begin.differs(path, after.get(path)):
            continue
        first, value = start.leaves[path], after.get(path)
        if places.get(id(first), 1) > 1 or not _same_kind(before, first, value, begin.reduced(path)):
            raise IndexNeeded("a variable has another type after the first iteration")


def _same_kind(before: Any, first: Any, value: Any, reduced: bool) -> bool:
    """Whether a loop can carry a leaf that is `before` at the body's begin, `value` at its end, `first` outside."""
    if isinstance(first, DeviceTensor):
        if not isinstance(value, DeviceTensor) or value.dtype != first.dtype or value.shape != first.shape:
            return False
        axes = zip(first.tiles, value.tiles, strict=True)
        return value.reduced == reduced and all(_same_tile(*tiles) for tiles in axes)
    if isinstance(value, DeviceTensor):
        return isinstance(first, int | float) and _exact(first, value.dtype)
    if isinstance(first, torch.SymInt):
        return isinstance(value, torch.SymInt) and any(atom.startswith("@") for atom in poly_of(first).atoms())
    return isinstance(first, torch.SymFloat | torch.SymBool) and type(value) is type(first)


def _same_tile(first: AxisTile, last: AxisTile) -> bool:
    """Whether an axis has one tile, as far as that is known."""
    return first is last or not (isinstance(first, SSAValue) and isinstance(last, SSAValue))


def _exact(number: float, dtype: torch.dtype) -> bool:
    """Whether a number is the same in a tensor's dtype: then it does not matter whether it is one element more."""
    return (
        dtype not in HALVES or number in (float("inf"), float("-inf")) or (abs(number) <= 8 and number == int(number))
    )
