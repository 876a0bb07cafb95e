"""Where host tensors are, and which of them device code writes into: what PyTorch would refuse is refused here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import FileLineColLoc, LocationAttr
from xdsl.ir import SSAValue

from .. import exc
from ..exc import SourceLocation
from ..specialization.in_place import Written, refuse_shared
from .storage import storage_of
from .symbols.nodes import poly_of
from .symbols.scalars import Scalars
from .tensors import HostTensor
from .tuples import TupleArguments


class Placement:
    """The device of one kernel, and the tensors that it writes into."""

    def __init__(self, tracer: Scalars, tuples: TupleArguments, captured: Callable[[HostTensor], str | None]):
        self._tracer, self._tuples, self._captured = tracer, tuples, captured
        self.device = torch.device("cpu")
        self._arguments: Sequence[tuple[str, HostTensor]] = ()
        self._known = False
        self._written: dict[str, Written] = {}

    def begin(self, arguments: Sequence[tuple[str, HostTensor]], device: torch.device | None) -> None:
        """Record the tensors among the arguments, and the device that the arguments give."""
        self._arguments, self._known = arguments, device is not None
        default = torch.get_default_device()
        if device is None and default.type != "cpu":  # the user has set one
            device, self._known = default, True
        self.device = device or default

    def clear(self) -> None:
        """Forget all tensors."""
        self._arguments = ()

    def factory(self) -> torch.device:
        """The device of a tensor that host code creates without naming one. Raises NoTensorArgs if none is known."""
        if not self._known:
            raise exc.NoTensorArgs(
                "nothing says on which device the kernel runs: none of its arguments is a tensor or a torch.device",
                hint="pass a tensor or a torch.device, or give device= to what makes the tensor",
            )
        return self.device

    def check(self, tensor: HostTensor, name: str) -> None:
        """Raise WrongDevice for a tensor of device code that is not where the kernel runs."""
        device, kernel = tensor.user_device, self.device
        if not self._known:
            self.device, self._known = device, True
        elif not same_device(device, kernel):
            beside = next((f", as {expr} is" for expr, each in self._arguments if each.user_device == kernel), "")
            raise exc.WrongDevice(
                f"{name} is on {device}, but the kernel runs on {kernel}{beside}",
                hint="move it there in host code: .to(device)",
            )

    def writes(self, tensor: HostTensor, indices: Sequence[SSAValue], *, atomic: bool = False) -> None:
        """Note that device code writes into `tensor`; raises InvalidAssignment if a store meets one place twice."""
        tracer = self._tracer
        meta, name = tensor.meta_tensor, tracer.paths.get(id(tensor), "a tensor")
        place = _place(tracer.builder.location)
        dims = () if atomic else tuple(dim for dim, index in enumerate(indices) if not _constant(index))
        layout = [self._known_layout(meta, dim) for dim in dims]
        refuse_shared(name, [pair for pair in layout if pair is not None], place)
        targets = {storage_of(each) for each in self._tuples.choices(tensor)}
        for expr, argument in self._arguments:
            if storage_of(argument) in targets:
                own = dims if argument is tensor or not dims else tuple(range(argument.dim()))
                self._note(Written(expr, own, not tensor.detached, place))
        if (captured := self._captured(tensor)) is not None:
            self._note(Written(captured, dims, True, place))

    def _note(self, write: Written) -> None:
        known = self._written.get(write.expr, write)
        dims, tracked = known.dims or write.dims, known.tracked or write.tracked
        self._written[write.expr] = Written(write.expr, dims, tracked, known.location)

    def _known_layout(self, meta: torch.Tensor, dim: int) -> tuple[int, int] | None:
        """Size and stride of a dimension, as far as they are the same at every call; a stride of 0 is enough."""
        size, stride = (self._tracer.resolved(poly_of(value)) for value in (meta.size(dim), meta.stride(dim)))
        if stride.value == 0 and size.value is None:
            return self._tracer.hint_of(size) or 2, 0
        return None if size.value is None or stride.value is None else (size.value, stride.value)

    @property
    def written(self) -> tuple[Written, ...]:
        """The tensors among the arguments and captures that device code writes into."""
        return tuple(self._written.values())


def _place(at: LocationAttr) -> SourceLocation | None:
    return SourceLocation(at.filename.data, at.line.data, at.column.data) if isinstance(at, FileLineColLoc) else None


def same_device(one: torch.device, other: torch.device) -> bool:
    """Whether two devices are one; without an index it is the current one, which may be any."""
    return one.type == other.type and (one.index == other.index or None in (one.index, other.index))


def _constant(index: SSAValue) -> bool:
    return isinstance(index.owner, ConstantOp)
