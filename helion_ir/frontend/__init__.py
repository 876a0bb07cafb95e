"""Python → `tile`: traces a kernel into a config-free module."""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch.utils._pytree import tree_map_only
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region

from .. import backends, exc
from ..backends.base import Backend
from ..dialects import tile
from ..dialects.inline_triton import SnippetOp
from ..language.api import ACTIVE
from ..passes.fragments import Fragment
from ..specialization.host_names import host_names
from ..specialization.in_place import Written
from ..specialization.keys import contains_spec
from .arguments import Arguments, constant_parameter
from .choices import DEFAULTS, Choices
from .early_launch import check_early_launch
from .mistakes import device_error, host_error, in_users_names
from .operators import (
    composites,
    concatenation,
    moving,
    opaque,
    prefixes,
    primitives,
    quantiles,
    random,
    scattering,
    searching,
    signals,
    sorting,
    special,
)
from .source import error_location, node_location, walks
from .symbols.expressions import Poly
from .symbols.sizes import Options, Retrace, WidePositions
from .tracer import Tracer
from .walk import hl_functions, hl_tunables
from .walk.device_walker import assigned_names
from .walk.host_prelude import Captured
from .walk.host_reads import HostReads
from .walk.host_text import host_text
from .walk.host_walker import HostWalker
from .walk.renaming import kernel_source
from .walk.torch_modes import DispatchHook, FunctionHook, hook_tensors

_ROW_MODULES = (
    composites,
    concatenation,
    moving,
    opaque,
    prefixes,
    primitives,
    quantiles,
    random,
    scattering,
    searching,
    signals,
    sorting,
    special,
    hl_functions,
    hl_tunables,
)
"""Importing them fills the tables of operators and of what the language's functions do."""


@dataclass(frozen=True)
class TracedKernel:
    """A kernel, traced for one specialization.

    `module` holds one `tile.kernel` and is verified. `guards` are host expressions over the parameters that must
    hold for a call to use this trace (empty for most kernels; sizes and types that the key has are not among them).
    `captures` are names that the host text needs bound (tensors, mostly), and where they are in the user's modules.
    """

    module: ModuleOp
    name: str
    output_is_none: bool
    device: torch.device
    """Where the kernel runs: with its tensors."""
    guards: tuple[str, ...] = ()
    captures: Mapping[str, Captured] = field(default_factory=dict)
    written: tuple[Written, ...] = ()
    """The tensors among the arguments that device code writes into."""
    tunables: Mapping[str, Fragment] = field(default_factory=dict)
    """The registered tunables."""
    chosen: Mapping[str, object] = field(default_factory=dict)
    """Their values, for which this trace holds."""
    answers: Mapping[str, Any] = field(default_factory=dict)
    """What was asked of block sizes, and the answers for which this trace holds."""
    read: Mapping[str, Any] = field(default_factory=dict)
    """What host code read of the arguments' data, by expression; another trace of these arguments reads it here."""


@walks
def trace(
    fn: Callable[..., Any],
    args: Sequence[object],
    *,
    static_shapes: bool = True,
    index_dtype: torch.dtype | None = None,
    dot_precision: str = "tf32",
    auto_barrier: bool = True,
    ignore_warnings: Sequence[type[exc.BaseWarning]] = (),
    backend: Backend | None = None,
    operators: Mapping[Any, Callable[..., Any]] = MappingProxyType({}),
    choices: Choices = DEFAULTS,
) -> TracedKernel:
    """Trace `fn` for arguments like `args`, which are positional and complete; no tensor's data is read.

    Tensors may be real, fake, or anything with `shape`, `dtype`, `stride()` and `device`. Ints, floats and bools are
    run-time values of the kernel (i64, f32 and i1 scalars) unless annotated `constexpr`. `backend`: whose language
    opaque code is in, the default one's. `operators`: lowerings that go before ours. `choices`: what the config says of
    tunables and of block sizes that Python asks for. Raises `exc.Base`, located in the user's file.
    """
    source = kernel_source(fn)
    given = index_dtype is not None
    options = Options(
        static_shapes, index_dtype or torch.int32, given, dot_precision, auto_barrier, tuple(ignore_warnings)
    )
    equalities: list[tuple[Poly, Poly]] = []
    quotients: dict[str, tuple[str, Poly, Poly]] = {}
    while True:
        tracer = Tracer(source, options, backend or backends.default(), operators, choices)
        tracer.quotients = quotients  # what the atoms of the equalities mean
        try:
            return _trace(fn, args, tracer, equalities)
        except Retrace as again:
            if not (learned := _learned(again, equalities)):
                lhs, rhs = again.equality
                raise exc.ShapeMismatch(
                    in_users_names(
                        f"the sizes {lhs} and {rhs} must be equal, which nothing known of them says", tracer
                    ),
                    hint="use hl.specialize() in host code for a size",
                    location=error_location(tracer.files, again.__traceback__),
                ) from None
            equalities += learned
        except WidePositions:
            options = replace(options, index_dtype=torch.int64)
        except exc.Base as error:
            error.location = error.location or error_location(tracer.files, error.__traceback__)
            if error.location is None:
                error.location = node_location(source.tree, source.file)
            error.message = in_users_names(error.message, tracer)
            raise
        except Exception as error:
            if learned := _learned(tracer.again, equalities):  # PyTorch's code made another error of it
                equalities += learned
                continue
            raised = (device_error if tracer.failed_in_device else host_error)(error, tracer.files)
            if raised is error:
                raise
            raise raised from error
        finally:
            tracer.close()


def _learned(again: Retrace | None, known: Sequence[tuple[Poly, Poly]]) -> list[tuple[Poly, Poly]]:
    """The equalities that are to be traced with in place of those that were `known`; nothing if all were."""
    new = ([again.equality], again.pinned) if again is not None else ()
    learned = next((each for each in new if not set(each) <= set(known)), ())
    return [each for each in learned if each not in known]


def _trace(
    fn: Callable[..., Any], args: Sequence[object], tracer: Tracer, equalities: Sequence[tuple[Poly, Poly]]
) -> TracedKernel:
    tree = tracer.source.tree
    parameters = [a.arg for a in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)]
    if len(args) != len(parameters) or tree.args.vararg or tree.args.kwarg:
        raise exc.InvalidAPIUsage(f"{fn.__name__} takes {len(parameters)} arguments, got {len(args)}")
    keep = {name: f"_{name}_argument" for name in assigned_names(tree.body) if name in parameters}
    tracer.parameters = tuple(parameters)
    names: dict[str, Any] = {**fn.__globals__, **_nonlocals(fn)}
    names |= {new: names[name] for name, new in host_names(fn).items() if name in names}  # type: ignore[arg-type]
    module_names = dict(names)
    wrapper = Arguments(tracer)
    annotations = [fn.__annotations__.get(name) for name in inspect.signature(fn).parameters]
    for name, value, annotation in zip(parameters, args, annotations, strict=True):
        constant = constant_parameter(annotation)
        names[name] = wrapper.wrap(value, keep.get(name, name), constant=constant)
    tracer.reads = HostReads(tracer, partial(_value, fn, dict(zip(parameters, args, strict=True)), tracer.asked.read))
    for expr, tensor in wrapper.tensors:
        tracer.reads.argument(tensor, expr)
    for lhs, rhs in equalities:
        tracer.guard("eq", lhs, rhs)
    tracer.placement.begin(wrapper.tensors, wrapper.device)
    captures: set[str] = set()
    walker = HostWalker(tracer, names, dict.fromkeys(parameters), captures)
    tracer.find_real = walker.real_tensor
    tracer.module_names = lambda: module_names
    result = _run(walker, tracer)
    if not walker.launches and not any(map(walker.is_device_loop, ast.walk(tree))):
        raise exc.NoDeviceLoopsInKernel(
            f"kernel {fn.__name__!r} has no device loop", hint="write `for tile in hl.tile(size):` around device code"
        )
    if not walker.launches:
        _empty_grid(tracer)
    if "opaque" in vars(tracer):
        tracer.opaque.check_parameters(tracer.arg_names)
    tracer.seeds.close()
    reads = tracer.reads.names(tree)
    tracer.reads.rename(reads)
    exprs = [*tracer.arg_exprs, *tracer.used_symbols.values()]
    used = {name: alias for name, alias in keep.items() if any(alias in e for e in exprs)}
    text, missing = host_text(
        tracer.source, module_names, walker.launches, tracer.registrations, exprs, used, reads, tracer.checks
    )
    module = _module(tree.name, tracer, text)
    guards = dict.fromkeys(map(tracer.reads.guard, tracer.guards))
    written = tracer.placement.written
    asked = tracer.asked
    return TracedKernel(
        module, tree.name, result is None, tracer.device, tuple(guards), missing, written, asked.fragments,
        asked.values, asked.answers, asked.read,
    )  # fmt: skip


def _value(fn: Callable[..., Any], args: Mapping[str, object], known: dict[str, Any], expr: str) -> Any:
    """The value of a host expression over the arguments, which must have data unless it is `known`."""
    if expr in known:
        return known[expr]
    if contains_spec(tuple(args.values())):
        raise exc.DataDependentOutputShapeNotSupported(
            "host code reads the data of a tensor, and the example arguments have none",
            hint="compile for real tensors, whose data is like that of the calls",
        )
    named = {new: args[name] for name, new in host_names(fn).items() if name in args}  # type: ignore[arg-type]
    value = eval(expr, {**fn.__globals__, **_nonlocals(fn), **args, **named, "__torch__": torch})
    known[expr] = tree_map_only(
        torch.Tensor, lambda part: part.to("meta"), value
    )  # of tensors, what the trace looks at
    return value


def _empty_grid(tracer: Tracer) -> None:
    """The kernel of calls for which the host function returns before its loops: nothing launches it."""
    tracer.builder.block = tracer.kernel_block
    body = Block(arg_types=[tracer.index_type])
    body.add_ops([SnippetOp("pass", [], []), tile.YieldOp()])
    zero = tracer.builder.constant(0, tracer.index_type)
    tracer.builder.append(tile.GridOp([zero], [zero], [1], Region(body)))


def _run(walker: HostWalker, tracer: Tracer) -> Any:
    """Walk the function under both modes of PyTorch."""
    dispatch = DispatchHook(tracer)
    ACTIVE.append(tracer)
    hook_tensors(dispatch)
    try:
        with torch.no_grad(), FunctionHook(tracer), dispatch:
            return walker.run(tracer.source.tree.body)
    finally:
        ACTIVE.pop()
        hook_tensors(None)


def _nonlocals(fn: Callable[..., Any]) -> dict[str, Any]:
    if not isinstance(fn, types.FunctionType) or not fn.__closure__:
        return {}
    return dict(inspect.getclosurevars(fn).nonlocals)


def _module(name: str, tracer: Tracer, text: str) -> ModuleOp:
    kernel = tile.KernelOp(
        name, tracer.arg_names, tracer.arg_exprs, [], symbols=tracer.used_symbols, blocks=tracer.blocks, host=text,
        index_type=tracer.index_type,
    )  # fmt: skip
    kernel.body.detach_block(kernel.body.block)
    kernel.body.add_block(tracer.kernel_block)
    tracer.builder.at(node_location(tracer.source.tree, tracer.source.file))
    kernel.location = tracer.builder.location
    kernel.memory = tracer.storages.attribute()
    tracer.storages.overlap_in_calls(kernel)
    tracer.storages.check_loops(kernel)
    if tracer.starts_early:
        check_early_launch(kernel)
    module = ModuleOp([kernel])
    module.location = kernel.location
    module.verify()
    return module


__all__ = ["TracedKernel", "trace"]
