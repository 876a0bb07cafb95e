"""Mistakes in kernels: the class of the error, its message, and the place that it points at."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import helion_ir.language as hl
from helion_ir import exc
from helion_ir.frontend import trace
from helion_ir.language.api import ACTIVE

X, Y = torch.randn(8, 12), torch.randn(5)
SOURCE = Path(__file__).read_text().splitlines()
OF_OURS = re.compile(r"\b[bs]\d+\b|HostTensor|DeviceTensor|\bSym[IFB]\w+|\bssa\b|_read_|xdsl")
"""What no message shows: names of symbols, and of classes of ours."""
CASES: list[tuple[Callable[..., Any], type[exc.Base], tuple[Any, ...], str]] = []


def mistake(error: type[exc.Base], *args: Any, says: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A kernel with a mistake; the text before `# <-` of the marked line begins at the caret's column."""

    def register(fn: Callable[..., Any]) -> Callable[..., Any]:
        CASES.append((fn, error, args or (X,), says))
        return fn

    return register


def check_text(error: exc.Base) -> None:
    """An error has a hint, and speaks the user's language."""
    assert error.hint, f"{type(error).__name__} has no hint: {error}"
    assert not OF_OURS.search(error.message), error.message


def marked(fn: Callable[..., Any]) -> tuple[int, str] | None:
    """The line that is marked with `# <- text`, and the text that the caret must stand under (`a | b`: one of them)."""
    start = fn.__code__.co_firstlineno
    for number in range(start, start + 30):
        line = SOURCE[number - 1]
        if number > start and line and not line.startswith((" ", "def", "@", ")")):
            return None
        if "# <-" in line:
            return number, line.split("# <-")[1].strip()
        if number > start + 1 and line.startswith("@"):
            return None
    return None


@mistake(exc.NoDeviceLoopsInKernel, says="no device loop")
def no_device_loop(x):  # <- def no_device_loop
    return x + 1


@mistake(exc.HostTensorDirectUsage, says="without a subscript")
def host_tensor(x):
    out = torch.empty_like(x)
    for t in hl.tile(x.size()):
        out[t] = x[t] + torch.sin(x)  # <- torch.sin(x)
    return out


@mistake(exc.HostTensorDirectUsage)
def host_tensor_operand(x):
    out = torch.empty_like(x)
    for t in hl.tile(x.size()):
        out[t] = x[t] + x  # <- x[t] + x
    return out


@mistake(exc.ShapeMismatch, X, Y, says="[t[0], t[1]] and [5]")
def shape_mismatch(x, y):
    out = torch.empty_like(x)
    for t in hl.tile(x.size()):
        out[t] = x[t] + y[:]  # <- x[t] + y[:]
    return out


@mistake(exc.ShapeMismatch, says="the subscript selects [t]")
def stored_shape(x):
    out = torch.empty([8], device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = x[t, :]  # <- out[t]
    return out


@mistake(exc.ShapeMismatch, says="do not broadcast")
def reduced_on_another_axis(x):
    out = torch.empty_like(x)
    for a, b in hl.tile(x.size()):
        out[a, b] = x[a, b] - x[a, b].sum(1)  # <- x[a, b] - x[a, b].sum(1)
    return out


@mistake(exc.ShapeMismatch, says="inner dimensions")
def inner_dimensions(x):
    out = torch.empty([8, 8], device=x.device)
    for a, b in hl.tile([8, 8]):
        out[a, b] = torch.mm(x[a, :], x[b, :])  # <- torch.mm(x[a, :], x[b, :])
    return out


@mistake(exc.ShapeMismatch, says="numbers of elements differ")
def bad_view(x):
    out = torch.empty([8], device=x.device)
    for t in hl.tile(8):
        out[t] = x[t, :].view(t, 5).sum(1)  # <- x[t, :].view(t, 5)
    return out


@mistake(exc.StatementNotSupported, says="'try' statement")
def try_statement(x):
    for t in hl.tile(x.size()):
        try:  # <- try:
            x[t] = 0
        finally:
            pass


@mistake(exc.StatementNotSupported, says="'with' statement")
def with_statement(x):
    for t in hl.tile(x.size()):
        with torch.no_grad():  # <- with
            x[t] = 0


@mistake(exc.StatementNotSupported, says="'break' statement")
def break_statement(x):
    for t in hl.tile(x.size(0)):
        for i in range(3):
            x[t, i] = 0
            break  # <- break


@mistake(exc.DataDependentOutputShapeNotSupported, says="boolean mask")
def boolean_mask(x):
    for t in hl.tile(x.size(0)):
        x[x[t, 0] > 0, 0] = 1  # <- x[x[t, 0] > 0, 0]


@mistake(exc.DataDependentOutputShapeNotSupported, says="nonzero")
def nonzero(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = torch.nonzero(x[t, 0])  # <- torch.nonzero(x[t, 0])


@mistake(exc.DataDependentOutputShapeNotSupported, says="reads the data")
def host_reads_data(x):
    x[:, 0].uniform_()
    n = int(x.sum().item())  # <- x.sum().item()
    for t in hl.tile(n):
        x[t, 0] = 0


@mistake(exc.InductorLoweringError, says="aten.linalg_qr")
def no_lowering(x):
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t, :] = torch.linalg.qr(x[t, :])[0]  # <- torch.linalg.qr(x[t, :])
    return out


@mistake(exc.NotAllowedOnDevice, says="cannot return")  # noqa: RET503
def returns(x):
    for t in hl.tile(x.size()):
        return x[t]  # <- return


@mistake(exc.DeviceLoopElseBlock)
def loop_else(x):
    for t in hl.tile(x.size()):  # <- for t
        x[t] = 0
    else:
        pass


@mistake(exc.InvalidDeviceForLoop, says="dict")
def loop_over_dict(x):
    for t in hl.tile(x.size()):
        for _ in {"a": 1}:  # <- {"a": 1}
            x[t] = 0


@mistake(exc.EmptyDeviceLoopAfterDCE)
def no_effect(x):
    for t in hl.tile(x.size()):  # <- for t
        x[t] + 1


@mistake(exc.TopLevelStatementBetweenLoops)
def between_loops(x):
    for t in hl.tile(x.size()):
        x[t] = 0
    y = x * 2  # <- y = x * 2
    for t in hl.tile(x.size()):
        x[t] = y[t]


@mistake(exc.FailedToUnpackTile)
def unpacked(x):
    for a, b in hl.tile(x.size(0)):  # <- a, b
        x[a, b] = 0


@mistake(exc.InvalidTileRange, says="after its end")
def backwards(x):
    for t in hl.tile(5, 2):  # <- hl.tile(5, 2)
        x[t, 0] = 0


@mistake(exc.TileOfTile)
def tile_of_tile(x):
    for t in hl.tile(x.size(0)):
        for u in hl.tile(t):  # <- hl.tile(t)
            x[u, 0] = 0


@mistake(exc.RankMismatch, says="3 subscripts for a tensor of rank 2")
def too_many_subscripts(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = x[t, 0, 0]  # <- x[t, 0, 0]


@mistake(exc.InvalidIndexingType, says="float32")
def float_index(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = x[x[t, 0], 0]  # <- x[x[t, 0], 0]


@mistake(exc.InvalidIndexingType, says="out of range")
def index_out_of_range(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = x[t, 12]  # <- x[t, 12]


@mistake(exc.InvalidSliceStep)
def slice_step(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = x[t, 0:6:-1].sum(1)  # <- x[t, 0:6:-1]


@mistake(exc.DeviceTensorSubscriptAssignmentNotAllowed)
def assigns_a_value(x):
    for t in hl.tile(x.size(0)):
        y = x[t, :]
        y[0] = 1  # <- y[0]
        x[t, :] = y


@mistake(exc.DuplicateStoreIndicesError)
def duplicate_store(x):
    for t in hl.tile(x.size(0)):
        x[t, t] = 0  # <- x[t, t]


@mistake(exc.RequiresTensorInAssignment)
def stores_text(x):
    for t in hl.tile(x.size()):
        x[t] = "zero"  # <- x[t]


@mistake(exc.AssignmentMultipleTargets)
def chained_assignment(x):
    for t in hl.tile(x.size()):
        a = b = x[t]  # <- a = b
        x[t] = a + b


@mistake(exc.StarredArgsNotSupportedOnDevice)
def starred(x):
    for t in hl.tile(x.size()):
        a, *_b = t  # <- a, *_b
        x[a, 0] = 0


@mistake(exc.InvalidAssignment)
def attribute_assignment(x):
    for t in hl.tile(x.size()):
        x.y = 1  # <- x.y
        x[t] = 0


@mistake(exc.UndefinedVariable, says="no_such_name")
def undefined(x):
    for t in hl.tile(x.size()):
        x[t] = no_such_name  # noqa: F821 # <- no_such_name


@mistake(exc.CannotModifyHostVariableOnDevice, says="'total'")
def modifies_host_variable(x):
    total = 0
    for t in hl.tile(x.size()):
        x[t] = 0
        total = 1  # <- total
    return total


@mistake(exc.CannotReadDeviceVariableOnHost, says="'value'")
def reads_device_variable(x):
    for t in hl.tile(x.size()):
        value = x[t]
        x[t] = value
    return value  # <- value


@mistake(exc.ControlFlowTensorMismatch, says="torch.float16")
def dtype_changes(x):
    for t in hl.tile(x.size(0)):
        acc = hl.zeros([t], dtype=torch.float32)
        for i in hl.tile(x.size(1)):  # <- for i
            acc = (acc + x[t, i].sum(1)).to(torch.float16)
        x[t, 0] = acc


@mistake(exc.ControlFlowTensorMismatch, says="variable 'value'")
def branches_disagree(x):
    for t in hl.tile(x.size(0)):
        if t.begin > 2:  # noqa: SIM108 # <- if t.begin > 2
            value = x[t, 0]
        else:
            value = x[t, :]
        x[t, 0] = value


@mistake(exc.NotAllowedOnDevice, says="must be a scalar")
def condition_of_a_tensor(x):
    for t in hl.tile(x.size(0)):
        if x[t, 0] > 0:
            x[t, 0] = 0


@mistake(exc.NotAllowedOnDevice, X, says="at compile time")
def condition_in_a_helper(x):
    def helper(k):
        with torch.no_grad():
            return 1 if k > 2 else 0  # <- k > 2

    for t in hl.tile(x.size(0)):
        x[t, 0] = helper(t.begin)


@mistake(exc.ShapeSpecializingAllocation, X, torch.tensor([3]))
def allocation_of_device_size(x, sizes):
    for t in hl.tile(x.size(0)):
        x[t, 0] = hl.zeros([sizes[0]]).sum()  # <- hl.zeros([sizes[0]])


@mistake(exc.ReductionDimInvalidForShape)
def reduction_dim(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = x[t, :].sum(2)  # <- x[t, :].sum(2)


@mistake(exc.UnsupportedSplitOperation)
def torch_split(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = x[t, :].split(6, 1)[0].sum(1)  # <- x[t, :].split(6, 1)


@mistake(exc.DeviceAPIOnHost, says="hl.zeros")
def device_api_on_host(x):
    y = hl.zeros([3])  # <- hl.zeros([3])
    for t in hl.tile(x.size()):
        x[t] = y


@mistake(exc.LoopFunctionNotInFor)
def loop_not_in_for(x):
    tiles = hl.tile(x.size())  # <- tiles
    for t in tiles:
        x[t] = 0


@mistake(exc.NotAllowedInHelperFunction)
def loop_in_comprehension(x):
    for t in hl.tile(x.size(0)):
        # From Python 3.12 on a comprehension is no function of its own, so the position is more exact.
        x[t, 0] = sum([x[t, u].sum(1) for u in hl.tile(x.size(1))])  # <- [x[t, u] | hl.tile


@mistake(exc.NotAllowedOnDevice, says="hl.register_block_size")
def block_size_on_device(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = hl.register_block_size(16)  # <- hl.register_block_size(16)


@mistake(exc.SpecializeArgType)
def specialize_argument(x):
    hl.specialize("text")  # <- hl.specialize("text")
    for t in hl.tile(x.size()):
        x[t] = 0


@mistake(exc.AtomicOnDeviceTensor)
def atomic_on_value(x):
    for t in hl.tile(x.size(0)):
        hl.atomic_add(x[t, 0], [0], 1)  # <- hl.atomic_add(x[t, 0], [0], 1)


@mistake(exc.IncorrectTileUsage)
def tile_function_of_a_number(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = hl.tile_begin(3)  # <- hl.tile_begin(3)


@mistake(exc.GlobalMutation)
def assigns_global(x):
    for t in hl.tile(x.size()):
        global Y  # <- global Y
        x[t] = 0


@mistake(exc.UnsupportedPythonType, X, object())
def unsupported_argument(x, thing):  # <- def unsupported_argument
    for t in hl.tile(x.size()):
        x[t] = 0


@pytest.mark.parametrize(("fn", "error", "args", "says"), CASES, ids=[case[0].__name__ for case in CASES])
def test_mistake(fn: Callable[..., Any], error: type[exc.Base], args: tuple[Any, ...], says: str) -> None:
    with pytest.raises(exc.Base) as caught:
        trace(fn, args)
    raised = caught.value
    assert type(raised) is error, f"{type(raised).__name__}: {raised}"
    assert says in raised.message
    assert raised.location is not None
    assert raised.location.file == __file__
    check_text(raised)
    mark = marked(fn)
    if mark is not None:
        line, text = mark
        assert raised.location.line == line, str(raised)
        assert SOURCE[line - 1][raised.location.column - 1 :].startswith(tuple(text.split(" | "))), str(raised)
    assert not ACTIVE, "the trace was left half done"


def test_the_rendering_has_the_line_and_a_caret_under_the_column() -> None:
    with pytest.raises(exc.InductorLoweringError) as caught:
        trace(no_lowering, (X,))
    lines = str(caught.value).splitlines()
    line, text = marked(no_lowering) or (0, "")
    source = SOURCE[line - 1]
    assert lines[0] == "no lowering for operator aten.linalg_qr.default"
    assert lines[1] == f"  --> {__file__}:{line}:{source.index(text) + 1}"
    assert lines[3] == f"{line} | {source}"
    caret = lines[4].split("|")[1]
    assert caret.index("^") == 1 + source.index(text)
    assert caret.count("^") == len(text)


def test_source_that_cannot_be_read() -> None:
    names: dict[str, Any] = {"hl": hl}
    exec("def kernel(x):\n    for t in hl.tile(x.size()):\n        x[t] = 0\n", names)
    with pytest.raises(exc.InvalidAPIUsage, match="source of kernel 'kernel' cannot be read"):
        trace(names["kernel"], (X,))


def test_language_functions_need_a_kernel() -> None:
    for call in (lambda: hl.zeros([3]), lambda: hl.tile(3), lambda: hl.load(X, [0])):
        with pytest.raises(exc.NotInsideKernel) as caught:
            call()
        place = caught.value.location
        assert place is not None
        assert (place.file, place.line) == (__file__, call.__code__.co_firstlineno)
        assert SOURCE[place.line - 1][place.column - 1 :].startswith("hl.")


def test_host_assertions_are_the_users() -> None:
    with pytest.raises(AssertionError, match="rows"):
        trace(asserts_rows, (X,))


def asserts_rows(x):
    assert x.size(0) == 9, "rows"
    for t in hl.tile(x.size()):
        x[t] = 0


def test_errors_pickle_with_their_place() -> None:
    with pytest.raises(exc.Base) as caught:
        trace(undefined, (X,))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is exc.UndefinedVariable
    assert str(copy) == str(caught.value)


def accumulates(x):
    out = torch.empty([x.size(0), x.size(0)], device=x.device)
    y = x.sin()
    for a, b in hl.tile(out.size()):
        acc = hl.zeros([a, b])
        acc += x[a, :] @ y[b, :].T
        out[a, b] = acc
    return out


def test_warnings_go_to_stderr_and_can_be_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    trace(accumulates, (X,))
    text = capsys.readouterr().err
    assert "WARNING[TensorOperationInWrapper]: aten.sin.default in host code" in text
    assert "WARNING[TiledKMatmulAccumulationWarning]" in text
    trace(accumulates, (X,), ignore_warnings=[exc.BaseWarning])
    assert capsys.readouterr().err == ""
