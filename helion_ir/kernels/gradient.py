"""Gradients of kernels: `register_backward`, and an error, instead of a lost gradient, where there is none.

A call whose arguments require grad becomes a node of autograd's graph. Its backward calls the function that the user
registered; without one it raises when a gradient gets there, so that forward passes alone need none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch.utils import _pytree as pytree

from ..exc import InvalidAPIUsage, NoBackward
from ..specialization.overlap import storage_of
from ..specialization.signature import Signature
from ..specialization.tensor_spec import map_leaves, tensors_in

Run = Callable[..., Any]


@dataclass(frozen=True)
class Backward:
    """How gradients of a kernel are found: `backward(ctx, *gradients)`, and what the forward pass keeps for it."""

    function: Callable[..., Any]
    setup_context: Callable[..., None] | None = None


class Differentiable(Protocol):
    """What a call that records gradients asks of its kernel."""

    signature: Signature
    backward: Backward | None


@dataclass
class _Call:
    """One call: how its arguments are made of the tensors, what runs it, and what is around the tensors it returns."""

    kernel: Differentiable
    args: tuple[object, ...]
    run: Run
    written: tuple[bool, ...]
    form: Any = None
    rest: list[Any] = field(default_factory=list[Any])

    def arguments(self, tensors: Sequence[torch.Tensor]) -> tuple[Any, ...]:
        """The arguments with other tensors."""
        given = iter(tensors)
        return tuple(
            map_leaves(arg, lambda leaf: next(given) if isinstance(leaf, torch.Tensor) else leaf) for arg in self.args
        )

    def result(self, tensors: Sequence[torch.Tensor]) -> Any:
        """What the kernel returned, with these tensors."""
        given = iter(tensors)
        leaves = [next(given) if leaf is None else leaf[0] for leaf in self.rest]
        return pytree.tree_unflatten(leaves, self.form)


class _Node(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        args = call.arguments(tensors)
        result = call.run(*args)
        leaves, call.form = pytree.tree_flatten(result)
        call.rest = [None if isinstance(leaf, torch.Tensor) else (leaf,) for leaf in leaves]
        outputs = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        changed = [tensor for tensor, written in zip(tensors, call.written, strict=True) if written]
        ctx.mark_dirty(*changed)
        ctx.call = call
        backward = call.kernel.backward
        if backward is not None and backward.setup_context is not None:
            backward.setup_context(ctx=ctx, inputs=args, output=result)
        elif backward is not None:
            ctx.save_for_backward(*tensors, *outputs)
        return (*outputs, *(tensor for tensor in changed if not any(tensor is each for each in outputs)))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[Any, ...]:
        call: _Call = ctx.call
        backward, signature = call.kernel.backward, call.kernel.signature
        if backward is None:
            raise NoBackward(
                f"{signature.fn.__name__} has no backward, and a gradient is asked for",
                hint="register_backward(fn) of the kernel says how; call it under torch.no_grad() if none is needed",
                location=signature.place,
            )
        if backward.setup_context is None:
            saved, count = ctx.saved_tensors, len(call.written)
            ctx.inputs, ctx.output = call.arguments(saved[:count]), call.result(saved[count:])
        returned = gradients[: sum(leaf is None for leaf in call.rest)]
        found = backward.function(ctx, *returned)
        return (None, *_for_tensors(call, found if isinstance(found, tuple) else (found,)))


def _for_tensors(call: _Call, found: tuple[Any, ...]) -> list[torch.Tensor | None]:
    """Gradients of arguments as gradients of the tensors in them; arguments at the end may be left out."""
    if len(found) > len(call.args):
        name, count = call.kernel.signature.fn.__name__, len(call.args)
        raise InvalidAPIUsage(f"the backward of {name} returns {len(found)} gradients for {count} arguments")
    flat: list[torch.Tensor | None] = []
    for arg, gradient in zip(call.args, (*found, *[None] * (len(call.args) - len(found))), strict=True):
        if isinstance(arg, torch.Tensor):
            flat.append(gradient)
        else:
            count = len(tensors_in(arg))
            given = [None] * count if gradient is None else list(pytree.tree_leaves(gradient, lambda x: x is None))
            if len(given) != count:
                name = call.kernel.signature.fn.__name__
                raise InvalidAPIUsage(f"the backward of {name} returns {len(given)} gradients for {count} tensors")
            flat += given
    return flat


def recording(kernel: Differentiable, args: tuple[object, ...], run: Run, writes_into: Run) -> Run:
    """`run`, as a node of autograd's graph where a call asks for gradients; `args` are those of the first call.

    `writes_into(*args)` gives the tensors that device code writes into.
    """
    places = [i for i, arg in enumerate(args) if isinstance(arg, torch.Tensor) and _may_require_grad(arg)]
    inside = any(_may_require_grad(t) for arg in args if not isinstance(arg, torch.Tensor) for t in tensors_in(arg))
    if not places and not inside:
        return run

    def record(*args: object) -> Any:
        if torch.is_grad_enabled():
            for place in places:
                if args[place].requires_grad:  # pyright: ignore[reportAttributeAccessIssue]
                    return differentiable(kernel, args, run, writes_into(*args))
            if inside and any(tensor.requires_grad for tensor in tensors_in(args)):
                return differentiable(kernel, args, run, writes_into(*args))
        return run(*args)

    return record


def _may_require_grad(tensor: torch.Tensor) -> bool:
    return tensor.dtype.is_floating_point or tensor.dtype.is_complex


def differentiable(kernel: Differentiable, args: tuple[object, ...], run: Run, targets: Sequence[torch.Tensor]) -> Any:
    """The result of a call, as a node of autograd's graph."""
    tensors = tensors_in(args)
    changed = {storage_of(target) for target in targets}
    # One that requires grad is written into behind autograd's back (`p.data`): other ways were refused.
    written = tuple(storage_of(t) in changed and not t.requires_grad for t in tensors)
    call = _Call(kernel, args, run, written)
    outputs: Any = _Node.apply(call, *tensors)
    return call.result(outputs)


__all__ = ["Backward", "differentiable", "recording"]
