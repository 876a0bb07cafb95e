"""Errors and warnings that users see: one class per mistake, each pointing at the user's own source.

An error is raised with a message and perhaps a hint; the code that knows the place attaches a `SourceLocation`, and
`str(error)` shows all of it:

```
ShapeMismatch: cannot add [b0, b1] and [b2]
  --> matmul.py:12:15
   |
12 |         acc = acc + y[tile_k]
   |               ^
   = hint: ...
```
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import FunctionType
from typing import Any, ClassVar


@dataclass(frozen=True)
class SourceLocation:
    """A place in a user's file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    end_column: int | None = None

    @staticmethod
    def of_definition(fn: FunctionType) -> SourceLocation:
        """Where a function is defined: the line of its first decorator, else its own first line."""
        file, line = fn.__code__.co_filename, fn.__code__.co_firstlineno
        text = linecache.getline(file, line).rstrip()
        return SourceLocation(file, line, len(text) - len(text.lstrip()) + 1, len(text) + 1)

    @staticmethod
    def of_op(op: Any) -> SourceLocation | None:
        """Where the user wrote an op of the IR, if its location says so."""
        place = op.location
        return (
            SourceLocation(place.filename.data, place.line.data, place.column.data) if hasattr(place, "line") else None
        )

    @staticmethod
    def of_caller(depth: int = 1) -> SourceLocation:
        """The expression that calls the function `depth` calls up from the one that asks."""
        frame = sys._getframe(depth + 1)
        code = frame.f_code
        line, _, column, end = next(islice(code.co_positions(), frame.f_lasti // 2, None))
        return SourceLocation(code.co_filename, line or frame.f_lineno, (column or 0) + 1, end and end + 1)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def render(self) -> str:
        """The place, the source line, and a caret under the column."""
        text = linecache.getline(self.file, self.line).rstrip("\n")
        if not text:
            return f"  --> {self}"
        width = max(1, (self.end_column or self.column + 1) - self.column)
        margin = " " * len(str(self.line))
        lead = "".join("\t" if c == "\t" else " " for c in text[: self.column - 1])
        caret = "^" * min(width, max(1, len(text) - self.column + 1))
        return f"  --> {self}\n{margin} |\n{self.line} | {text}\n{margin} | {lead}{caret}"


class Base(RuntimeError):
    """The root of all errors of helion_ir."""

    advice: ClassVar[str | None] = None
    """The hint of an error that is raised with no hint of its own."""

    def __init__(self, message: str = "", *, hint: str | None = None, location: SourceLocation | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint or self.advice
        self.location = location

    def __str__(self) -> str:
        lines = [self.message]
        if self.location is not None:
            lines.append(self.location.render())
        if self.hint:
            lines.append(f"  = hint: {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint, self.location))


def _rebuild(cls: type[Base], message: str, hint: str | None, location: SourceLocation | None) -> Base:
    return cls(message, hint=hint, location=location)


@contextmanager
def at_definition(fn: FunctionType) -> Iterator[None]:
    """What is raised within the block without a place is about the definition of `fn`."""
    try:
        yield
    except Base as error:
        error.location = error.location or SourceLocation.of_definition(fn)
        raise


class BaseWarning(Base):
    """The root of the warnings, which print on stderr as `WARNING[Name]: …` and can be ignored by class."""


def warn(warning: BaseWarning, ignore: Sequence[type[BaseWarning]] = ()) -> None:
    """Print `warning` on stderr, unless its class is among `ignore`."""
    if not isinstance(warning, tuple(ignore)):
        print(f"WARNING[{type(warning).__name__}]: {warning}", file=sys.stderr)


# Kernels and where language functions may be used


class NotInsideKernel(Base):
    """A function of `helion_ir.language` is called outside of a kernel."""

    advice = "call it in the device loop of a function that @helion_ir.kernel decorates"


class NoDeviceLoopsInKernel(Base):
    """The kernel has no top-level `hl.tile` or `hl.grid` loop."""


class NoTensorArgs(Base):
    """Nothing says which device the kernel runs on."""

    advice = "pass a tensor, or a torch.device"


class NestedGridLoop(Base):
    """A top-level loop stands where only an inner one may."""

    advice = "a loop inside of a device loop is hl.tile, hl.grid or range in a for statement"


class NestedKernelCallsNotSupported(Base):
    """A kernel calls another kernel."""


class DecoratorAfterHelionKernelDecorator(Base):
    """Another decorator wraps the kernel decorator's function."""


class DeviceAPIOnHost(Base):
    """A function for device code is used in host code."""

    advice = "call it inside of a `for … in hl.tile(…)` loop"


class SpecializeOnDevice(Base):
    """`hl.specialize` of a value that only the device knows."""

    advice = "call hl.specialize in host code, of sizes and strides"


class SpecializeArgType(Base):
    """`hl.specialize` takes sizes, strides, and tuples of them."""

    advice = "pass x.size(0), x.stride(1), an int argument, or a tuple of those"


class BackendUnsupported(Base):
    """The backend is unknown, or lacks what the kernel needs."""


# Loops


class LoopFunctionNotInFor(Base):
    """`hl.tile`, `hl.grid` or `hl.static_range` outside of a `for` statement."""

    advice = "write `for tile in hl.tile(size):`"


class InvalidDeviceForLoop(Base):
    """A `for` in device code iterates over something that is no loop."""

    advice = "loop over hl.tile, hl.grid, range, hl.static_range, or a tuple"


class DeviceLoopElseBlock(Base):
    """A device loop has an `else` block."""

    advice = "put the statements of the else after the loop: there is no break"


class TopLevelStatementBetweenLoops(Base):
    """Only `hl.barrier()` may stand between top-level loops."""


class LoopDependencyError(Base):
    """Top-level loops depend on each other, with no barrier between them."""


class BarrierOnlyAllowedAtTopLevel(Base):
    """`hl.barrier()` stands between top-level loops only."""


class EmptyDeviceLoopAfterDCE(Base):
    """A device loop has no effect."""

    advice = "store what the loop computes: out[tile] = value"


class TileOfTile(Base):
    """A tile is no extent to loop over."""

    advice = "loop over a size; an inner loop over the positions of a tile is hl.tile(tile.begin, tile.end)"


class InvalidTileRange(Base):
    """The bounds or the block size of a loop make no sense."""

    advice = "hl.tile(end) or hl.tile(begin, end), with integers or sizes, such as x.size(0)"


class FailedToUnpackTile(Base):
    """A loop over one size yields one tile, which cannot be unpacked."""


class OverpackedTile(Base):
    """A tuple of tiles stands where one tile is needed."""

    advice = "unpack it: for tile_m, tile_n in hl.tile([m, n])"


class IncorrectTileUsage(Base):
    """A tile is used as something it is not."""

    advice = (
        "a tile is an index (x[tile]) and a size (hl.zeros([tile])); its positions are tile.index, its "
        "edges tile.begin and tile.end"
    )


class InvalidJaggedTileUsage(Base):
    """`hl.jagged_tile` is used wrongly."""


# Statements and names


class StatementNotSupported(Base):
    """The statement has no meaning in device code."""

    advice = "write it in host code, before the first device loop"


class NotAllowedOnDevice(Base):
    """This is host code's business."""

    advice = "do it in host code, before or after the device loops"


class AssignmentMultipleTargets(NotAllowedOnDevice):
    """`a = b = value` in device code."""

    advice = "write one assignment for each target"


class InvalidAssignment(NotAllowedOnDevice):
    """The target of an assignment cannot be assigned on the device."""

    advice = "assign to a variable, or to a subscript of a host tensor"


class StarredArgsNotSupportedOnDevice(Base):
    """A starred target in device code."""

    advice = "name each target, or subscript the sequence"


class UndefinedVariable(Base, NameError):
    """A name has no value; a NameError, as Python's is."""

    advice = "bind it before: what only one arm of a run-time `if`, or the body of a loop, binds is unknown after it"


class CannotModifyHostVariableOnDevice(Base):
    """Device code assigns a name of the host function."""


class CannotReadDeviceVariableOnHost(Base):
    """Host code reads a name that only device code assigned."""


class ClosureMutation(Base):
    """Device code assigns a variable of an enclosing function."""

    advice = "return the value, and assign what is returned"


class GlobalMutation(Base):
    """Device code assigns a global."""

    advice = "pass the value as an argument, or return it"


class NotAllowedInHelperFunction(Base):
    """A helper function that device code calls does what only the kernel may."""

    advice = "do it in the kernel itself"


class NamingConflict(Base):
    """Two things of a kernel have the same name."""

    advice = "rename one of them"


# Tensors and subscripts


class HostTensorDirectUsage(Base):
    """A host tensor is used in device code without a subscript."""

    advice = "load what you need of it, x[tile], and store into out[tile]"


class DeviceTensorSubscriptAssignmentNotAllowed(Base):
    """A device value has no memory to assign into."""


class AtomicOnDeviceTensor(Base):
    """Atomics work on host tensors."""

    advice = "pass a host tensor and an index: hl.atomic_add(out, [tile], value)"


class NonTensorSubscriptAssign(Base):
    """The target of a subscript assignment is no tensor."""

    advice = "assign to a subscript of a tensor, a list or a dict"


class RequiresTensorInAssignment(Base):
    """The value of a subscript assignment is no tensor and no number."""

    advice = "store a tensor or a number"


class InvalidIndexingType(Base):
    """A subscript cannot be used as an index."""

    advice = "index with tiles, ints, slices, integer tensors, None or `...`, each within the tensor"


class InvalidSequenceSubscription(Base):
    """A sequence is subscripted by something that is not known at compile time."""


class InvalidSliceStep(Base):
    """The step of a slice is not a positive constant."""

    advice = "use a positive step; torch.flip turns an axis round"


class TensorSliceBound(Base):
    """The bounds of a slice have no length known at compile time."""

    advice = "bound it by ints, sizes or tile edges; x[begin + hl.arange(n)] has a constant length"


class DuplicateStoreIndicesError(Base):
    """A store uses the same tile for two dimensions."""

    advice = "use a tile of its own for each dimension, or hl.tile over both"


class RankMismatch(Base):
    """Too many or too few subscripts, or ranks that do not fit."""

    advice = "give one subscript for each dimension; `None` adds one, and `:` takes a whole one"


class ShapeMismatch(Base):
    """The shapes of operands do not fit."""

    advice = "shapes must be equal or broadcast: add an axis with [:, None], or load the part that fits"


class DotBatchDimensionMismatch(Base):
    """The batch dimensions of a product differ."""

    advice = "batch dimensions must be equal, or 1"


class DataDependentOutputShapeNotSupported(Base):
    """The shape of a result depends on data."""

    advice = "shapes are known before data: use a mask (torch.where), or compute the positions in host code"


class ShapeSpecializingAllocation(Base):
    """A device value has a size that is not known at compile time."""

    advice = "use a tile, or make the size a constant: hl.specialize(x.size(1)) in host code"


class ShapeSpecializingCall(Base):
    """A call would turn a size into a constant."""

    advice = "make it a constant in host code: hl.specialize(size), or annotate the argument hl.constexpr"


# Operators and types


class ReductionDimInvalidForShape(Base):
    """A reduction over a dimension that the value does not have."""

    advice = "dimensions count from 0, or from -1 backwards"


class InvalidReductionDim(Base):
    """The dimension of a reduction is no constant."""

    advice = "pass a constant"


class MultipleReductionDims(Base):
    """This reduction takes one dimension."""


class ReductionOnNonTile(Base):
    """A reduction over a dimension that is no tile and no full slice."""

    advice = "reduce before reshaping, or reduce a whole axis"


class CantCombineTypesInControlFlow(Base):
    """A variable has types that cannot be one after a branch or a loop."""

    advice = "give the variable one type on all paths"


class ControlFlowTensorMismatch(Base):
    """A tensor has different shapes or dtypes on the paths that meet."""

    advice = "give the variable one shape and dtype on all paths"


class TypeInferenceError(Base):
    """The type of an expression cannot be found."""

    advice = "write the subscript in full"


class TorchOpTracingError(Base):
    """PyTorch refuses an operation."""

    advice = "device values are tensors: use operators and functions that PyTorch has for tensors"


class InductorLoweringError(Base):
    """An operator has no lowering."""

    advice = "compute it in host code, or write it with operators that are supported"


class UnsupportedSplitOperation(Base):
    """`torch.split` in device code."""

    advice = "load the parts: x[tile, begin:end]"


class UnsupportedPythonType(Base):
    """A Python value that device code cannot use."""

    advice = (
        "kernels take tensors, numbers, strings, dtypes, None, containers of those, functions, and "
        "objects of your own classes"
    )


class InvalidAPIUsage(Base):
    """A function of helion_ir is called with wrong arguments."""

    advice = "see the function's docstring"


class NoSuchFunction(InvalidAPIUsage, AttributeError):
    """`helion_ir.language` has no function of that name."""

    advice = "dir(helion_ir.language) lists what there is"


class NoBackward(Base):
    """A gradient is asked for of a kernel that has no backward."""


# Configs, tuning, tunables


class UnknownSetting(InvalidAPIUsage, TypeError):
    """A keyword of a kernel that is no setting; a TypeError, as any unknown keyword is."""


class InvalidConfig(Base):
    """A config key is unknown, or its value illegal for the kernel."""


class BarrierRequiresPersistent(InvalidConfig):
    """A barrier needs a persistent grid."""


class NotEnoughConfigs(Base):
    """There are too few configs to choose from."""


class NoConfigFound(Base):
    """No config works."""


class AutotuneError(Base):
    """The search failed."""


class AutotuningDisallowedInEnvironment(Base):
    """Tuning was switched off by the environment."""


class TunableTypeNotSupported(Base):
    """A tunable's fragment is of an unknown type."""


class TunableNameConflict(Base):
    """Two tunables have the same name."""


class RegisterTunableArgTypes(Base):
    """`hl.register_tunable` takes a constant name and a fragment."""


class ConfigSpecFragmentWithSymInt(Base):
    """A fragment depends on a size that is not known at compile time."""


class IncompatibleInterpretModes(Base):
    """Two ways of interpreting a kernel are switched on."""


class BreakpointInDeviceLoopRequiresInterpret(Base):
    """`breakpoint()` in device code needs an interpreted run."""


# Limits, targets, bugs


class IndexOffsetOutOfRangeForInt32(Base):
    """An offset does not fit into int32."""


class InputTensorNumelExceedsIndexType(IndexOffsetOutOfRangeForInt32):
    """A tensor, or a loop, has more elements than the index type counts."""


class TritonError(Base):
    """The backend's compiler cannot compile the kernel."""

    advice = "try another config: smaller blocks, fewer stages"


class TritonUnrecoverableRuntimeError(Base):
    """The device is left in a bad state."""


class PluginError(InvalidAPIUsage, ValueError):
    """A plugin cannot be registered, fails, or leaves IR that does not verify."""


class InternalError(Base):
    """A bug of helion_ir itself; the hint names a script that reproduces it, where there is one."""

    _SAYS = "this is a bug of helion_ir: "

    def __init__(self, message: str = "", *, hint: str | None = None, location: SourceLocation | None = None):
        super().__init__(self._SAYS + message.removeprefix(self._SAYS), hint=hint, location=location)


class StackTensorDevPtrDtype(Base):
    """The pointers of a stack tensor must be uint64."""


class StackTensorDevPtrOnHost(Base):
    """The pointers of a stack tensor must be loaded on the device."""


class StackTensorExampleOnDevice(Base):
    """The example of a stack tensor must be a host tensor."""


class PdlPlacement(Base):
    """A programmatic dependent launch op is misplaced."""


# Warnings


class TensorOperationInWrapper(BaseWarning):
    """A tensor operation in host code, which is not fused into the kernel."""


class WrongDevice(BaseWarning):
    """A tensor is on another device than the kernel."""


class TiledKMatmulAccumulationWarning(BaseWarning):
    """`acc += a @ b` rounds in every step where `torch.addmm` would keep float32."""


class BlockPtrIndexingUnavailable(BaseWarning):
    """There are no block pointers any more; plain pointers are used."""


class CacheNotReadable(BaseWarning):
    """A file of the cache is no config of its kernel: it is not used."""


class CacheNotWritable(BaseWarning):
    """The cache cannot be written: what would be kept there lasts as long as the process."""


class TuningLogNotWritable(BaseWarning):
    """The file of setting `autotune_log` cannot be written: the search goes on without it."""


class WorkersNotAvailable(BaseWarning):
    """Worker processes do not start: candidates are compiled in the process that measures."""
