"""Every class of the language page's section 7: a test raises it, or it waits for a function that is not there yet."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import helion_ir
import helion_ir.language as hl
from helion_ir import exc

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("helion_ir", "dialects", "passes", "backends")

PAGE = """
NotInsideKernel NoDeviceLoopsInKernel NoTensorArgs NestedGridLoop NestedKernelCallsNotSupported
DecoratorAfterHelionKernelDecorator LoopFunctionNotInFor InvalidDeviceForLoop DeviceLoopElseBlock
TopLevelStatementBetweenLoops LoopDependencyError BarrierOnlyAllowedAtTopLevel BarrierRequiresPersistent
EmptyDeviceLoopAfterDCE TileOfTile InvalidTileRange FailedToUnpackTile OverpackedTile IncorrectTileUsage
InvalidJaggedTileUsage StatementNotSupported NotAllowedOnDevice AssignmentMultipleTargets InvalidAssignment
StarredArgsNotSupportedOnDevice UndefinedVariable CannotModifyHostVariableOnDevice CannotReadDeviceVariableOnHost
DeviceAPIOnHost SpecializeOnDevice SpecializeArgType HostTensorDirectUsage DeviceTensorSubscriptAssignmentNotAllowed
AtomicOnDeviceTensor NonTensorSubscriptAssign RequiresTensorInAssignment InvalidIndexingType InvalidSequenceSubscription
InvalidSliceStep TensorSliceBound DuplicateStoreIndicesError RankMismatch ShapeMismatch DotBatchDimensionMismatch
ReductionDimInvalidForShape InvalidReductionDim MultipleReductionDims ReductionOnNonTile CantCombineTypesInControlFlow
ControlFlowTensorMismatch TypeInferenceError DataDependentOutputShapeNotSupported ShapeSpecializingAllocation
ShapeSpecializingCall TorchOpTracingError InductorLoweringError UnsupportedSplitOperation UnsupportedPythonType
ClosureMutation GlobalMutation NotAllowedInHelperFunction InvalidAPIUsage InvalidConfig NotEnoughConfigs NoConfigFound
AutotuneError AutotuningDisallowedInEnvironment TunableTypeNotSupported TunableNameConflict RegisterTunableArgTypes
ConfigSpecFragmentWithSymInt IncompatibleInterpretModes BreakpointInDeviceLoopRequiresInterpret
IndexOffsetOutOfRangeForInt32 InputTensorNumelExceedsIndexType TritonError TritonUnrecoverableRuntimeError InternalError
StackTensorDevPtrDtype StackTensorDevPtrOnHost StackTensorExampleOnDevice PdlPlacement NamingConflict
TensorOperationInWrapper WrongDevice TiledKMatmulAccumulationWarning BlockPtrIndexingUnavailable BackendUnsupported
"""
NAMES = PAGE.split()

RESERVED = {}
"""Classes of mistakes with functions that this version lacks, and the function of each."""


def _sources(*folders: str) -> Iterator[ast.Module]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(path.read_text())


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@cache
def made() -> frozenset[str]:
    """The names that the code calls, or chooses among for a call: what it makes objects of."""
    found: set[str] = set()
    for tree in _sources(*PACKAGES):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                callee = node.func
                parts = [callee.body, callee.orelse] if isinstance(callee, ast.IfExp) else [callee]
                found.update(map(_name, parts))
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.IfExp):
                found.update((_name(node.value.body), _name(node.value.orelse)))
    return frozenset(found)


@cache
def expected() -> frozenset[str]:
    """The names that tests expect: of `exc`, in `pytest.raises`, and in the text of warnings."""
    found: set[str] = set()
    for tree in _sources("tests"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and _name(node.value) == "exc":
                found.add(node.attr)
            elif isinstance(node, ast.Call) and _name(node.func) == "raises" and node.args:
                found.add(_name(node.args[0]))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "WARNING[" in node.value:
                found.update(part.split("]")[0] for part in node.value.split("WARNING[")[1:])
    return frozenset(found)


def test_every_class_of_the_page_is_there() -> None:
    for name in NAMES:
        assert issubclass(getattr(helion_ir.exc, name), exc.Base), name
    assert len(set(NAMES)) == len(NAMES)
    assert set(RESERVED) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_is_raised_and_tested_or_waits_for_its_function(name: str) -> None:
    if name in RESERVED:
        assert not hasattr(hl, RESERVED[name]), f"hl.{RESERVED[name]} exists: raise {name} where its mistake is made"
        assert name not in made(), f"{name} is raised: it is reserved no longer"
        return
    assert name in made(), f"nothing raises {name}"
    assert name in expected(), f"no test expects {name}"
