"""The interface of a backend: all that the rest of the package uses of one.

A backend turns a scheduled kernel into text and runs it. `tl` is where it takes over: the passes before, the search
space and the specializations are common to all. What it leaves of a kernel stays one `tl.func`, whatever is in its
body: launches and ahead-of-time compilation read the signature, the constexprs, the options and the grid there.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, MappingProxyType
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol, TypeAlias

from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, FixedBitwidthType, ModuleOp
from xdsl.ir import Attribute, Dialect, Operation
from xdsl.passes import ModulePass
from xdsl.utils.target import Target

from .. import exc
from ..dialects.dims import element_of
from ..dialects.op_rules import printed
from ..dialects.quick import ops_in
from ..dialects.targets import DEFAULT, GPU, TARGETS
from ..dialects.tl import FuncOp

if TYPE_CHECKING:
    import torch

PassClass: TypeAlias = type[ModulePass]
Passes: TypeAlias = Mapping[str, Callable[[], PassClass]]
"""Passes by name, in order; each is imported when it is first asked for."""
Explain: TypeAlias = Callable[[Exception], Exception]
"""The error to raise for one that a backend's compiler raised."""


class Text(Protocol):
    """A printed kernel with placeholders for the values of a launch."""

    def source(self, constexprs: DictionaryAttr, options: DictionaryAttr) -> str:
        """The complete text for these constexprs and options."""
        ...


@dataclass(frozen=True)
class Source:
    """A function to be called: its name, its definition, and the text that defines it with its dependencies."""

    name: str
    definition: ast.FunctionDef
    text: str


class Opaque(Protocol):
    """What one kernel uses of the language that its backend prints; each name is defined in one way.

    All raise `InvalidAPIUsage` and `NamingConflict`.
    """

    def of_function(self, function: Any) -> Source | None:
        """The source of a function of the language; None for anything else."""
        ...

    def of_text(self, text: str, scope: Mapping[str, Any]) -> Source:
        """The source of the last function that a text defines; names that the text does not define are of `scope`."""
        ...

    def constant(self, value: Any) -> str | None:
        """A constant of Python's, of PyTorch's or of the language as text; None for what is known at run time only."""
        ...

    def check_parameters(self, names: Iterable[str]) -> None:
        """Parameters of the kernel would hide functions of equal names."""
        ...


class Memory(NamedTuple):
    """An operand that is a pointer: the memory behind it, as a tensor of one dimension."""

    data: torch.Tensor


@dataclass(frozen=True)
class Resources:
    """What a compiled kernel takes: bytes of shared memory of a program; registers and spilled ones of a thread."""

    shared_bytes: int
    num_warps: int
    registers: int
    spills: float


@dataclass(frozen=True)
class CompiledBinary:
    """What a backend made of a kernel for one target.

    - `asm`: text or bytes by kind: `ttir`, `ttgir`, `ptx` and `cubin`, or `amdgcn` and `hsaco`.
    - `shared_bytes` of a program; `registers` of a thread; `spills`: bytes (NVIDIA) or registers (AMD) of a thread.
    """

    target: str
    gpu: GPU = field(repr=False)
    num_warps: int
    shared_bytes: int
    registers: int
    spills: int
    asm: Mapping[str, Any] = field(repr=False)

    def fits(self) -> bool:
        """Whether a device of this target can launch the kernel: its shared memory and threads suffice."""
        gpu = self.gpu
        return self.shared_bytes <= gpu.shared_bytes and self.num_warps * gpu.warp_size <= gpu.max_threads


class Backend:
    """The interface of a backend. A subclass overrides what it supports; the rest raises `BackendUnsupported`.

    Methods that print are called for every config that is lowered; those that launch and compile for every kernel.
    None is called when a kernel is called that ran before.
    """

    name: str
    targets: Mapping[str, GPU] = TARGETS
    """The GPUs that it compiles for, by name, with what its compiler makes of their memory."""
    ops: Collection[type[Operation]] | None = None
    """The ops that it takes, at the level `tl`; None: all."""
    dtypes: Collection[type[Attribute]] | None = None
    """Element types of the values that it takes; None: all."""
    dialects: Mapping[str, Callable[[], Dialect]] = MappingProxyType({})
    """Levels of its own, by name."""
    leaves_tl: bool = True
    """Whether its passes leave ops of `tl`, so that the reference interpreter runs what is printed."""

    notes_questions: bool = False
    """Whether its passes let `dialects.questions` note all that they ask of block sizes, warps and stages; else no
    configs that differ in those share what is lowered."""

    # Passes ----------------------------------------------------------------------------------------------------

    tile_passes: Passes = MappingProxyType({})
    """What runs per config after the common schedule passes, at the level `tile`; a pass may own config keys."""
    tl_passes: Passes = MappingProxyType({})
    """What runs on `tl`, down to what prints; a pass may own config keys."""

    def schedule(self, passes: Sequence[PassClass]) -> Sequence[PassClass]:
        """The passes per config at the level `tile`, of which `passes` are the common ones: some may be left out."""
        return [*passes, *(factory() for factory in self.tile_passes.values())]

    def refusal(self, module: ModuleOp) -> tuple[Operation, str] | None:
        """The first op of a `tl` module that it does not take, and why; None if it takes all."""
        ops, dtypes = self.ops, self.dtypes  # once: a backend may import what knows them
        if ops is None and dtypes is None:
            return None
        for func in module.body.block.ops:
            for op in ops_in(func.body.block) if isinstance(func, FuncOp) else ():
                if ops is not None and type(op) not in ops and printed(type(op), self.name) is None:
                    return op, f"it has no {op.name}"
                if dtypes is not None and (strange := self._strange_element(op, dtypes)) is not None:
                    return op, f"it has no values of {strange}"
        return None

    def _strange_element(self, op: Operation, taken: Collection[type[Attribute]]) -> Attribute | None:
        elements = map(element_of, op.results)
        return next((e for e in elements if type(e) not in taken and isinstance(e, FixedBitwidthType)), None)

    # Text ------------------------------------------------------------------------------------------------------

    def emit(self, module: ModuleOp) -> str:
        """The text of a module that went through the passes. Raises DiagnosticException for what cannot be printed."""
        self._unsupported("print kernels")

    def text(self, module: ModuleOp) -> Text:
        """The text of `module`, to be printed again for other values of a launch; nothing changes `module` later."""
        return _Reprinted(self, module)

    def opaque(self, kernel: str) -> Opaque:
        """What a kernel of that name uses of the backend's language."""
        self._unsupported("take text or functions of its language")

    def target(self) -> type[Target]:
        """The target of `helion-opt -t <name>`."""
        emit = self.emit

        @dataclass(frozen=True)
        class Printing(Target):
            name = self.name

            def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
                output.write(emit(module))

        return Printing

    # Running ---------------------------------------------------------------------------------------------------

    def version(self) -> str:
        """The version of the backend's compiler, which is part of the key of tuned configs."""
        return ""

    def device_target(self, device: torch.device) -> str:
        """The target of a device; the usual one where it is not there, or not listed."""
        return DEFAULT

    def device_gpu(self, device: torch.device | None) -> GPU | None:
        """The facts of a device (None: the current GPU); None where it is not there."""
        return None

    def interpreted(self) -> str | None:
        """The environment setting (`VARIABLE=1`) in force that runs emitted modules on a CPU; None without one."""
        return None

    def host(self, source: str, name: str) -> FunctionType:
        """The host function of an emitted module, as it is."""
        self._unsupported("run what it prints")

    def launcher(
        self, source: str, name: str, device: int | None = None, explain: Explain | None = None
    ) -> FunctionType:
        """The host function of an emitted module, launching on the GPU of index `device`, which holds the tensors;
        `explain` gives the error to raise for one of its compiler's."""
        self._unsupported("launch kernels")

    def modules(self) -> Mapping[str, Any]:
        """Modules that opaque text may name without defining them, by name."""
        return {}

    def text_runner(self) -> Callable[..., list[torch.Tensor]]:
        """What runs opaque statements on a CPU: `run(source, text, operands, results, program, grid)`.

        `source`: the definitions that the text needs. `text`: `{0}` is the first operand, the last line is the value
        where there are results. `operands`: blocks and scalars as tensors, `Memory`, and tuples of those. `results`:
        their shapes and dtypes. Raises `NotImplementedError` for what only a GPU runs, and what else goes wrong.
        """
        self._unsupported("run opaque text on a CPU")

    def explained(self, error: Exception, fn: FunctionType, doing: str) -> exc.Base:
        """The error to raise for one of the backend's compiler, for the kernel of `fn`; `doing` says what failed."""
        place = exc.SourceLocation.of_definition(fn)
        return exc.InternalError(f"{fn.__name__}: backend {self.name} cannot {doing}: {error}", location=place)

    def lacks_memory(self, error: Exception) -> bool:
        """Whether an error of a launch says that the kernel needs more memory or threads than the device has."""
        return False

    # Compiling -------------------------------------------------------------------------------------------------

    def compile(
        self, source: str, module: ModuleOp, target: str, constexprs: Mapping[str, int], divisible: Collection[str]
    ) -> CompiledBinary:
        """The binary of an emitted module for a target that need not be here.

        `module`: what it was printed from. `constexprs`: values that the host computes. `divisible`: the integer
        parameters that are multiples of `ALIGNMENT`. Raises `BackendUnsupported` for a kernel that no GPU of the
        target can run.
        """
        self._unsupported("compile ahead of time")

    def capture(self, source: str, name: str, run: Callable[..., Any], args: Sequence[object]) -> object | None:
        """What a call of a host function compiles, for `precompile` in another process; None if it is compiled.

        Raises what the host function raises before its launch.
        """
        return None

    worker: str = __name__
    """The module that a process which precompiles imports first."""

    def precompile(self, launch: Any, gpu: GPU) -> Resources:
        """Compile what `capture` returned into the cache that the call reads; runs in a worker process."""
        self._unsupported("compile ahead of time")

    def _unsupported(self, what: str) -> NoReturn:
        raise exc.BackendUnsupported(f"backend {self.name!r} does not {what}")


class _Reprinted:
    """A text that is printed again as a whole for each set of launch values."""

    def __init__(self, backend: Backend, module: ModuleOp) -> None:
        self._backend, self._module = backend, module

    def source(self, constexprs: DictionaryAttr, options: DictionaryAttr) -> str:
        module = self._module.clone()
        for func in module.body.block.ops:
            if isinstance(func, FuncOp):
                func.constexprs, func.options = constexprs, options
        return self._backend.emit(module)


__all__ = ["Backend", "CompiledBinary", "Explain", "Memory", "Opaque", "Passes", "Resources", "Source", "Text"]
