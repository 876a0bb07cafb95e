"""PyTorch's two modes, which see every function of torch and every ATen operator while a kernel is traced."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import torch
import torch._refs
from torch._decomp import decomposition_table, meta_table
from torch._inductor.decomposition import select_decomp_table
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from ... import exc
from ..operators.conversions import rounded
from ..operators.memory import load, store
from ..operators.table import FUNCTIONS, HALVES, LOWERINGS, aten, like
from ..operators.value_subscripts import view_value
from ..placement import same_device
from ..tensors import CPU, DeviceTensor, HostTensor, TracedTensor
from ..tracer import Tracer, meta_like
from .host_views import OF_HOST_TENSORS, host_view
from .in_place import assign

_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
_HAS_DEVICE = frozenset((torch.Tensor.to, torch.Tensor.cuda, torch.Tensor.cpu))
_MOVES_TO = {torch.Tensor.cuda: torch.device("cuda"), torch.Tensor.cpu: CPU}
_READS = frozenset((torch.Tensor.item, torch.Tensor.tolist))
_DEPENDS_ON_ONES = frozenset((torch.squeeze, torch.Tensor.squeeze, torch.Tensor.squeeze_))
"""Functions whose result has another rank where a size is 1."""
_NAMES_DTYPE = frozenset((torch.Tensor.float, torch.Tensor.double, torch.Tensor.half, torch.Tensor.bfloat16))
_CASTS = frozenset((torch.Tensor.to, torch.Tensor.half, torch.Tensor.bfloat16, torch.Tensor.type, torch.Tensor.type_as))
"""Functions that give the tensor itself where it has the wanted dtype already."""
_MAY_COPY = frozenset(
    (
        torch.reshape, torch.Tensor.reshape, torch.Tensor.reshape_as, torch.flatten, torch.Tensor.flatten, torch.ravel,
        torch.Tensor.ravel, torch.Tensor.contiguous,
    )
)  # fmt: skip
"""Functions that copy where strides do not allow a view."""
_SYMBOLIC = frozenset((torch.sym_max, torch.sym_min, torch.sym_not, torch.sym_float, torch.sym_int, torch.sym_ite))
"""Functions of numbers: what they compare is the user's, not a check of PyTorch's."""


@lru_cache(maxsize=1)
def decompositions() -> dict[Any, Any]:
    """Operator → its decomposition, as Inductor uses them."""
    return select_decomp_table()


@lru_cache(maxsize=4096)
def _composite(func: Any) -> Any:
    is_composite = torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), _COMPOSITE)
    return func.decompose if func.namespace == "aten" and is_composite else None


class FunctionHook(TorchFunctionMode):
    """Functions of torch: subscripts with tiles, and what must be seen before PyTorch's own checks."""

    def __init__(self, tracer: Tracer):
        super().__init__()
        self.tracer = tracer

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tracer, kwargs = self.tracer, kwargs or {}
        if tracer.in_device:
            tracer.called()
            if func is torch.Tensor.__getitem__:
                return getitem(tracer, *args)
            if func is torch.Tensor.__setitem__:
                return setitem(tracer, *args)
            if func in OF_HOST_TENSORS and args and isinstance(args[0], HostTensor):
                return host_view(tracer, func, args, kwargs, lambda f, a, k: self.__torch_function__(f, types, a, k))
            if (lowering := tracer.operators.get(func) or FUNCTIONS.get(func)) is not None:
                result = lowering(tracer, *args, **kwargs)
                if result is not NotImplemented:
                    return result
        elif func in _READS:
            return tracer.reads.item(*args) if func is torch.Tensor.item else tracer.reads.tolist(*args)
        if func in _SYMBOLIC:
            return func(*args, **kwargs)
        args, kwargs = _without_device(tracer, func, args, kwargs)
        with tracer.inside_torch():
            call = func if tracer.in_device or tracer.exact else partial(_host_call, tracer, func)
            result = _where_named(tracer, call(*args, **kwargs))
            if not tracer.in_device and not tracer.options.static_shapes:
                _note_layout(tracer, func, (args, kwargs), result)
        if func in _CASTS and isinstance(result, DeviceTensor) and result is args[0] and result.dtype in HALVES:
            return rounded(tracer, result)
        if isinstance(result, torch.Tensor) and result.dtype == torch.get_default_dtype():
            _guard_default_dtype(tracer, func, (args, kwargs))
        return result


def _note_layout(tracer: Tracer, func: Any, operands: Any, result: Any) -> None:
    """Strides are not in the key: note which answers of a call in host code depend on those of its operands.

    A view may be a copy in another call; a fresh tensor has the order of dimensions that its operands have.
    """
    given = [leaf for leaf in tree_leaves(operands) if isinstance(leaf, HostTensor)]
    made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, HostTensor)]
    if func in _MAY_COPY and given and made:
        tracer.may_share(made[0], given[0])
    elif any(leaf.dim() > 1 and not tracer.storages.share(leaf, given) for leaf in made):
        for leaf in given:
            tracer.guard_order(leaf)


def _where_named(tracer: Tracer, result: Any) -> Any:
    """The result of a call in host code, where the call says: PyTorch saw no move, as all is on the CPU for it."""
    named, tracer.named_device = tracer.named_device, None
    if named is None or not isinstance(result, HostTensor) or same_device(result.user_device, named):
        return result
    tracer.named_device = named
    return torch.empty_like(result)


def _guard_default_dtype(tracer: Tracer, func: Any, operands: Any) -> None:
    """What gives floats where none were given, and no dtype, asks PyTorch's default, which each call may change."""
    if func in _NAMES_DTYPE or any(isinstance(leaf, torch.dtype) or _is_float(leaf) for leaf in tree_leaves(operands)):
        return
    tracer.guards[f"__torch__.get_default_dtype() == {torch.get_default_dtype()}"] = None


def _is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype.is_floating_point


def _host_call(tracer: Tracer, func: Any, *args: Any, **kwargs: Any) -> Any:
    """A call in host code: as for sizes other than 0 and 1, unless that is not what happens in this call."""
    if func not in _DEPENDS_ON_ONES:
        known = tracer.guards.copy(), tracer.merged
        try:
            return func(*args, **kwargs)
        except (RuntimeError, ValueError, IndexError):
            if tracer.options.static_shapes:
                raise
            tracer.forget(*known)
    with tracer.exactly():
        return func(*args, **kwargs)


def _without_device(tracer: Tracer, func: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The call on the CPU: the user's device is only reported, never used."""
    device = kwargs.get("device")
    if device is not None:
        kwargs = {**kwargs, "device": CPU}
    if func in _HAS_DEVICE:
        named = [a for a in args if isinstance(a, torch.device)]
        if func is torch.Tensor.to:
            named += [torch.device(a) for a in args if isinstance(a, str)]
            args = tuple(CPU if isinstance(a, torch.device | str) else a for a in args)
        device = named[0] if named else device or _MOVES_TO.get(func)
    if device is not None:
        tracer.named_device = torch.device(device)
    return args, kwargs


def getitem(tracer: Tracer, value: torch.Tensor, index: Any) -> Any:
    """`value[index]` in device code."""
    if isinstance(value, DeviceTensor):
        return view_value(tracer, value, index)
    return load(tracer, tracer.host_tensor(value), index)


def setitem(tracer: Tracer, target: torch.Tensor, index: Any, value: Any) -> None:
    """`target[index] = value` in device code."""
    if isinstance(target, DeviceTensor):
        raise exc.DeviceTensorSubscriptAssignmentNotAllowed(
            "a device value has no memory to assign into", hint="assign to a host tensor, or use torch.where"
        )
    store(tracer, tracer.host_tensor(target), index, value)


class DispatchHook(TorchDispatchMode):
    """ATen operators: on the device they are lowered, on the host they run on meta tensors."""

    def __init__(self, tracer: Tracer):
        super().__init__()
        self.tracer = tracer

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "prim":
            return CPU
        run = self.device_op if self.tracer.in_device else self.host_op
        return run(func, args, kwargs or {})

    # Device

    def device_op(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Lower an operator, decomposing it as far as needed."""
        tracer = self.tracer
        lowering = tracer.operators.get(func) or LOWERINGS.get(func)
        if lowering is not None:
            result = lowering(tracer, *args, **kwargs)
            unchanged = isinstance(result, DeviceTensor) and not func._schema.is_mutable
            return _alias(tracer, result) if unchanged and any(result is arg for arg in args) else result
        if func._schema.is_mutable:
            return self._in_place(func, args, kwargs)
        if any(isinstance(leaf, HostTensor) for leaf in tree_leaves((args, kwargs))):
            raise exc.HostTensorDirectUsage(
                f"a host tensor is used in device code without a subscript (in {func})",
                hint="load what you need of it: x[tile]",
            )
        for decomposition in (decompositions().get(func), _composite(func), decomposition_table.get(func)):
            if decomposition is not None:
                last = tracer.builder.block.last_op
                tracer.internal += 1
                try:
                    with self:
                        result = decomposition(*args, **kwargs)
                finally:
                    tracer.internal -= 1
                if result is not NotImplemented:
                    return result
                self._roll_back(last)
        if torch.Tag.dynamic_output_shape in func.tags:
            raise exc.DataDependentOutputShapeNotSupported(f"the shape of the result of {func} depends on data")
        raise exc.InductorLoweringError(f"no lowering for operator {func}")

    def _roll_back(self, last: Any) -> None:
        """Erase what a decomposition that gave up emitted after `last`."""
        block = self.tracer.builder.block
        while (op := block.last_op) is not None and op is not last:
            block.erase_op(op)

    def _in_place(self, func: Any, args: Any, kwargs: Any) -> Any:
        """An in-place form: the operator itself, then the tensor stands for the new value."""
        target = args[0] if args else None
        name = func._schema.name.removeprefix("aten::")
        if not name.endswith("_") or not isinstance(target, DeviceTensor):
            if isinstance(target, HostTensor):
                raise exc.HostTensorDirectUsage(f"device code changes a whole host tensor ({func})")
            raise exc.InductorLoweringError(f"no lowering for operator {func}")
        functional = _FUNCTIONAL.get(func) or getattr(getattr(aten, name[:-1], None), func._overloadname, None)
        if functional is None:
            raise exc.InductorLoweringError(f"no lowering for operator {func}")
        with self:
            result = functional(*args, **kwargs)
        return assign(self.tracer, target, result)

    # Host

    def host_op(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operator on meta tensors; no data."""
        reads = self.tracer.reads
        if func in (aten._local_scalar_dense.default, aten.equal.default):
            return reads.constant(*args) if func is aten._local_scalar_dense.default else reads.equal(*args)
        self._warn_compute(func, args, kwargs)
        result = self._without_data(func, args, kwargs)
        reads.made(func, args, kwargs, result)
        return result

    def _without_data(self, func: Any, args: Any, kwargs: Any) -> Any:
        symbolic = any(
            isinstance(leaf, HostTensor) and leaf.meta_tensor._has_symbolic_sizes_strides
            for leaf in tree_leaves((args, kwargs))
        )
        if symbolic and not func.is_view:
            if (implementation := meta_table.get(func)) is not None:
                return self._on_meta(implementation, args, kwargs)
            if (decomposition := decomposition_table.get(func)) is not None:
                return self._decomposed(func, decomposition, args, kwargs)
        return self._on_meta(func, args, kwargs)

    def _decomposed(self, func: Any, decomposition: Any, args: Any, kwargs: Any) -> Any:
        """An operator by PyTorch's Python code; a device that it takes from its operand need not be there."""
        takes_device = any(argument.name == "device" for argument in func._schema.arguments)
        if takes_device and kwargs.get("device") is None and isinstance(args[0], HostTensor):
            kwargs = {**kwargs, "device": CPU}
            self.tracer.named_device = self.tracer.named_device or args[0].user_device
        with self:
            return decomposition(*args, **kwargs)

    def _warn_compute(self, func: Any, args: Any, kwargs: Any) -> None:
        computes = not func.is_view and func not in _MOVES and not func._schema.is_mutable
        if computes and any(isinstance(leaf, torch.Tensor) for leaf in tree_leaves((args, kwargs))):
            self.tracer.warn(
                exc.TensorOperationInWrapper(f"{func} in host code is a kernel of its own, not fused into this one")
            )

    def _on_meta(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run `func` on the meta tensors inside of host tensors."""
        outer: dict[int, HostTensor] = {}
        devices: list[torch.device] = []

        def unwrap(value: Any) -> Any:
            if isinstance(value, HostTensor):
                outer[id(value.meta_tensor)] = value
                devices.append(value.user_device)
                return value.meta_tensor
            if isinstance(value, torch.Tensor):
                devices.append(value.device)
                return meta_like(value.shape, value.stride(), value.dtype)
            return torch.device("meta") if isinstance(value, torch.device) else value

        inner_args, inner_kwargs = tree_map(unwrap, (args, kwargs))
        named, self.tracer.named_device = self.tracer.named_device, None
        if not devices and "device" in kwargs:
            inner_kwargs["device"] = torch.device("meta")
        device = named or (devices[0] if devices else self.tracer.placement.factory())
        try:
            result = func(*inner_args, **inner_kwargs)
        except RuntimeError as error:
            if torch.Tag.dynamic_output_shape in func.tags:
                result = tree_map(_unfilled, self.tracer.reads.sizes(func, args, kwargs), is_leaf=_is_shape)
            else:
                result = self._in_python(func, inner_args, inner_kwargs, error)

        def wrap(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            known = outer.get(id(value))
            if known is None:
                known = HostTensor.make(value, device)
                known.detached = func is aten.detach.default or any(each.detached for each in outer.values())
            return known

        return tree_map(wrap, result)

    @staticmethod
    def _in_python(func: Any, args: Any, kwargs: Any, error: RuntimeError) -> Any:
        """An operator on meta tensors by PyTorch's Python code, where its C++ code takes no symbolic size."""
        name = getattr(func, "_overloadpacket", func).__name__
        reference, text = getattr(torch._refs, name, None), str(error)
        if "dispatch_on_subclass" in text and (view := decomposition_table.get(func)) is not None:
            return view(*args, **kwargs)
        if "SymInt" not in text or reference is None:
            raise error
        return reference(*args[0]) if name in _UNPACKED else reference(*args, **kwargs)


_FUNCTIONAL = {
    aten.bernoulli_.float: lambda x, p=0.5, **options: aten.bernoulli.p(x, p, **options),
    aten.bernoulli_.Tensor: aten.bernoulli.Tensor,
    aten.normal_.default: aten.normal_functional.default,
}  # fmt: skip
"""In-place operators whose functional form has another name."""


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple)


def _unfilled(shape: tuple[list[Any], torch.dtype]) -> torch.Tensor:
    """A meta tensor of sizes and a dtype."""
    sizes, dtype = shape
    return torch.empty(sizes, dtype=dtype, device="meta")


_UNPACKED = frozenset(("broadcast_tensors",))
"""Operators whose Python form takes the tensors of its list one by one."""
_MOVES = frozenset(
    (
        aten.clone.default, aten._to_copy.default, aten.detach.default, aten.lift_fresh.default,
        aten.empty_like.default, aten.zeros_like.default, aten.ones_like.default, aten.full_like.default,
        aten.new_empty.default, aten.new_zeros.default, aten.new_ones.default, aten.new_full.default,
        aten.new_empty_strided.default,
    )
)  # fmt: skip
"""Host operators that allocate or copy only."""


def _alias(tracer: Tracer, value: DeviceTensor) -> DeviceTensor:
    """A view that changes nothing: PyTorch wants a tensor of its own from an operator."""
    result = like(tracer, value.ssa, value)
    return result.view_of(value)


def hook_tensors(hook: DispatchHook | None) -> None:
    """Operators on traced tensors outside of the modes (inside of a lowering) go to `hook`."""
    TracedTensor.hook = hook
