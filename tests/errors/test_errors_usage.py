"""Mistakes of use: calls, loops, subscripts and reductions that are refused at their line; and what Triton refuses."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import Config, exc
from helion_ir.autotuner.strategies import FiniteSearch

from .test_errors import check_text

SOURCE = Path(__file__).read_text().splitlines()
X = torch.randn(8, 12)
CASES: list[tuple[Callable[..., Any], type[exc.Base], tuple[Any, ...], str]] = []


def mistake(error: type[exc.Base], *args: Any, says: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A kernel with a mistake on the line that is marked with `# <- text`, at `text`."""

    def register(fn: Callable[..., Any]) -> Callable[..., Any]:
        CASES.append((fn, error, args or (X,), says))
        return fn

    return register


def expected_place(fn: Callable[..., Any]) -> tuple[int, str]:
    numbers = range(fn.__code__.co_firstlineno, fn.__code__.co_firstlineno + 12)
    line = next(number for number in numbers if "# <-" in SOURCE[number - 1])
    return line, SOURCE[line - 1].split("# <-")[1].strip()


@helion_ir.kernel(config=Config(block_sizes=[4, 4]))
def negative(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = -x[tile]
    return out


@helion_ir.kernel(config=Config(block_sizes=[4]))
def of_a_number(n: int, device: torch.device) -> torch.Tensor:
    out = torch.empty([n], device=device)
    for tile in hl.tile(n):
        out[tile] = 1.0
    return out


# Calls


@mistake(exc.NestedKernelCallsNotSupported, says="kernel negative is called in another kernel")
def kernel_in_device_code(x):
    for t in hl.tile(x.size()):
        x[t] = negative(x[t])  # <- negative(x[t])


@mistake(exc.NestedKernelCallsNotSupported)
def kernel_in_host_code(x):
    y = negative(x)  # <- negative(x)
    for t in hl.tile(x.size()):
        x[t] = y[t]


@mistake(exc.NestedKernelCallsNotSupported)
def kernel_without_tensors(x):
    y = of_a_number(8, x.device)  # <- of_a_number(8, x.device)
    for t in hl.tile(x.size(0)):
        x[t, 0] = y[t]


@mistake(exc.NestedKernelCallsNotSupported)
def kernel_in_a_helper(x):
    def helper(value):
        return negative(value) * 2  # <- negative(value)

    for t in hl.tile(x.size()):
        x[t] = helper(x[t])


@mistake(exc.BreakpointInDeviceLoopRequiresInterpret)
def stops(x):
    for t in hl.tile(x.size()):
        breakpoint()  # <- breakpoint()
        x[t] = 0


@mistake(exc.InvalidAPIUsage, says="takes no end")
def prints(x):
    for t in hl.tile(x.size()):
        print("x", x[t], end="")  # <- print("x", x[t], end="")
        x[t] = 0


@mistake(exc.InvalidAPIUsage, says="the prefix of hl.device_print is a string")
def prints_without_text(x):
    for t in hl.tile(x.size()):
        hl.device_print(x[t])  # <- hl.device_print(x[t])
        x[t] = 0


@mistake(exc.InvalidAPIUsage, says="text of ASCII")
def prints_greek(x):
    for t in hl.tile(x.size()):
        hl.device_print("α", x[t])  # <- hl.device_print
        x[t] = 0


@mistake(exc.NoSuchFunction, says="no function 'zero'")
def misspelled(x):
    for t in hl.tile(x.size()):
        x[t] = hl.zero([t])  # <- hl.zero


@mistake(exc.NoSuchFunction, says="no function 'tiles'")
def submodule(x):
    for t in hl.tiles(x.size()):  # <- hl.tiles
        x[t] = 0


@mistake(exc.BarrierOnlyAllowedAtTopLevel, says="inside a device loop")
def barrier_in_a_loop(x):
    for t in hl.tile(x.size()):
        hl.barrier()  # <- hl.barrier
        x[t] = 0


@mistake(exc.BarrierOnlyAllowedAtTopLevel, says="another place")
def barrier_in_a_host_loop(x):
    for t in hl.tile(x.size()):
        x[t] = 0
    for _ in range(2):
        hl.barrier()  # <- hl.barrier


@mistake(exc.TopLevelStatementBetweenLoops, says="between top-level device loops")
def statement_beside_a_barrier(x):
    for t in hl.tile(x.size()):
        x[t] = 0
    hl.barrier()
    if x.size(0) > 1:
        n = x.size(0)  # <- n = x.size(0)
        for t in hl.tile(n):
            x[t] += 1


# Loops and tiles


@mistake(exc.NestedGridLoop, says="'for' statement")
def loop_in_a_host_loop(x):
    for _ in range(2):
        for t in hl.tile(x.size()):  # <- for t
            x[t] = 0


@mistake(exc.NestedGridLoop, says="'with' statement")
def loop_under_with(x):
    with torch.no_grad():
        for t in hl.grid(x.size()):  # <- for t
            x[t] = 0


@mistake(exc.OverpackedTile, says="a tuple of 1 tiles")
def index_of_a_tuple(x):
    for t in hl.tile([x.size(0)]):
        x[t.index, 0] = 0  # <- t.index


@mistake(exc.OverpackedTile, says="a tuple of 2 tiles")
def begin_of_a_tuple(x):
    for t in hl.tile(x.size()):
        x[t.begin, 0] = 0  # <- t.begin


@mistake(exc.OverpackedTile)
def function_of_a_tuple(x):
    for t in hl.tile([x.size(0)]):
        x[hl.tile_index(t), 0] = 0  # <- hl.tile_index(t)


@mistake(exc.OverpackedTile)
def shifted_tuple(x):
    for t in hl.tile([x.size(0)]):
        x[t + 1, 0] = 0  # <- t + 1


@mistake(exc.OverpackedTile)
def inner_tuple(x):
    for t in hl.tile(x.size(0)):
        for u in hl.tile([x.size(1)]):
            x[t, u] = x[t, u] * u.id  # <- u.id


# Sequences


@mistake(exc.InvalidSequenceSubscription)
def list_by_a_grid_index(x):
    parts = [x, x.T]
    for i in hl.grid(2):
        x[i, 0] = parts[i][0, 0]  # <- parts[i]


@mistake(exc.InvalidSequenceSubscription)
def tuple_by_a_loaded_number(x):
    for i in hl.grid(x.size(0)):
        numbers = (1.0, 2.0)
        x[i, 3] = numbers[x[i, 0].to(torch.int32)]  # <- numbers[x[i, 0].to(torch.int32)]


@mistake(exc.InvalidSequenceSubscription, (X, X.clone()))
def argument_by_a_grid_index(xs):
    for i in hl.grid(2):
        xs[0][i, 0] = xs[i][0, 0]  # <- xs[i]


@mistake(exc.InvalidSequenceSubscription)
def dict_by_a_grid_index(x):
    numbers = {0: 1.0, 1: 2.0}
    for i in hl.grid(x.size(0)):
        x[i, 3] = numbers[i]  # <- numbers[i]


@mistake(exc.InvalidSequenceSubscription)
def tuple_by_a_tiles_begin(x):
    for t in hl.tile(x.size(0)):
        numbers = (1.0, 2.0)
        x[t, 3] = numbers[t.begin]  # <- numbers[t.begin]


# Reductions


@mistake(exc.MultipleReductionDims, says="argmax over several dimensions")
def argmax_of_two(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = torch.argmax(x[t, :], dim=(0, 1))  # <- torch.argmax(x[t, :], dim=(0, 1))


@mistake(exc.MultipleReductionDims, says="cumsum")
def cumsum_of_two(x):
    for t in hl.tile(x.size(0)):
        x[t, :] = x[t, :].cumsum((0, 1))  # <- x[t, :].cumsum((0, 1))


@mistake(exc.MultipleReductionDims, says="a scan goes along one dimension")
def scan_of_two(x):
    for t in hl.tile(x.size(0)):
        x[t, :] = hl.cumsum(x[t, :], [0, 1])  # <- hl.cumsum(x[t, :], [0, 1])


@mistake(exc.MultipleReductionDims, says="prod")
def prod_of_two(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = x[t, :].prod([0, 1])  # <- x[t, :].prod([0, 1])


@mistake(exc.MultipleReductionDims, says="max")
def max_with_indices_of_two(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = torch.max(x[t, :], dim=(0, 1))[0]  # <- torch.max(x[t, :], dim=(0, 1))


@mistake(exc.InvalidReductionDim)
def dimension_of_a_loop(x):
    for t in hl.tile(x.size(0)):
        for i in hl.grid(2):
            x[t, :] = hl.cumsum(x[t, :], i)  # <- hl.cumsum(x[t, :], i)


@mistake(exc.ReductionOnNonTile)
def part_of_a_reshape(x):
    out = torch.zeros([1])
    for t, u in hl.tile(x.size()):
        hl.atomic_add(out, [0], x[t, u].reshape([-1]).cumsum(0).sum(0))  # <- x[t, u].reshape([-1]).cumsum(0)


@mistake(exc.DotBatchDimensionMismatch, torch.randn(2, 4, 4), torch.randn(3, 4, 4))
def batches_differ(x, y):
    out = torch.empty([2, 4, 4], device=x.device)
    for t in hl.tile(4):
        out[:, t, :] = torch.bmm(x[:, t, :], y[:, :, :])  # <- torch.bmm(x[:, t, :], y[:, :, :])
    return out


# Values and statements that have no meaning on the device


@mistake(exc.SpecializeOnDevice)
def specialize_what_is_loaded(x):
    for t in hl.grid(x.size(0)):
        n = hl.specialize(x[t, 0].to(torch.int32).item())  # <- hl.specialize(x[t, 0].to(torch.int32).item())
        x[t, 0] = n


@mistake(exc.NonTensorSubscriptAssign)
def item_of_a_tuple(x):
    for t in hl.tile(x.size()):
        pair = (1, 2)
        pair[0] = 3  # <- pair[0]
        x[t] = pair[0]


@mistake(exc.TensorSliceBound)
def slice_by_a_loaded_bound(x):
    for t in hl.grid(x.size(0)):
        n = x[t, 0].to(torch.int32).item()
        x[t, 0] = x[t, 0:n].sum()  # <- x[t, 0:n]


@mistake(exc.TypeInferenceError)
def two_ellipses(x):
    for t in hl.tile(x.size(0)):
        x[t, 0] = x[..., t, ...].sum(1)  # <- x[..., t, ...]


@mistake(exc.TorchOpTracingError)
def text_in_an_operator(x):
    for t in hl.tile(x.size()):
        x[t] = x[t] + "one"  # <- x[t] + "one"


@mistake(exc.ClosureMutation)
def rebinds_a_cell_in_a_helper(x):
    total = 0

    def helper():
        nonlocal total  # <- nonlocal total
        total = 1
        return 1.0

    for t in hl.tile(x.size()):
        x[t] = helper() + total


def _with_a_cell():
    total = 0

    @mistake(exc.ClosureMutation)
    def rebinds_a_cell(x):
        for t in hl.tile(x.size()):
            nonlocal total  # <- nonlocal total
            total = 1
            x[t] = total

    return rebinds_a_cell, total


_with_a_cell()


@mistake(exc.CantCombineTypesInControlFlow)
def shrinks_in_a_loop(x):
    for t in hl.tile(x.size(0)):
        parts = (x[t, 0], x[t, 1])
        for u in hl.tile(x.size(1)):  # <- for u
            parts = (parts[0] + x[t, u].sum(1),)
        x[t, 0] = parts[0]


@pytest.mark.parametrize(("fn", "error", "args", "says"), CASES, ids=[case[0].__name__ for case in CASES])
def test_mistake(fn: Callable[..., Any], error: type[exc.Base], args: tuple[Any, ...], says: str) -> None:
    with pytest.raises(error) as caught:
        helion_ir.kernel(fn, autotune_effort="none")(*args)
    raised = caught.value
    public = next(kind for kind in type(raised).__mro__ if kind.__module__ == exc.__name__)
    assert public is error
    assert says in raised.message
    line, text = expected_place(fn)
    assert raised.location is not None
    assert (raised.location.file, raised.location.line) == (__file__, line), str(raised)
    assert SOURCE[line - 1][raised.location.column - 1 :].startswith(text), str(raised)
    check_text(raised)


# What is near them and fine


def test_tuples_of_tiles_are_indices_and_shapes() -> None:
    @helion_ir.kernel(config=Config(block_sizes=[4, 4]))
    def whole(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for tiles in hl.tile(x.size()):
            out[tiles] = x[tiles] + hl.zeros(tiles) + hl.zeros([*tiles])
        return out

    torch.testing.assert_close(whole(X), X)


def test_prints_of_constants_are_pythons(capsys: pytest.CaptureFixture[str]) -> None:
    @helion_ir.kernel(config=Config(block_sizes=[4, 4]))
    def says(x: torch.Tensor) -> None:
        for t in hl.tile(x.size()):
            print("rank", x.dim())
            x[t] = 0

    says(X.clone())
    assert "rank 2" in capsys.readouterr().out


def test_one_dimension_in_a_list_is_a_list() -> None:
    """As PyTorch has it: `argmax` takes an int."""
    with pytest.raises(TypeError):
        X.argmax(dim=[1])  # type: ignore[arg-type]


def test_missing_functions_of_the_language_are_missing_attributes() -> None:
    assert not hasattr(hl, "zero")
    with pytest.raises(exc.NoSuchFunction, match="no function 'zero'") as caught:
        hl.zero  # noqa: B018
    assert caught.value.hint == "hl.zeros"
    assert isinstance(caught.value, AttributeError)
    assert type(pickle.loads(pickle.dumps(caught.value))) is exc.NoSuchFunction


def test_the_dimension_of_a_scan_may_be_an_argument() -> None:
    @helion_ir.kernel(config=Config(block_sizes=[4]))
    def prefixes(x: torch.Tensor, dim: int) -> torch.Tensor:
        out = torch.empty_like(x)
        for tile in hl.tile(x.size(0)):
            out[tile, :] = hl.cumsum(x[tile, :], dim)
        return out

    torch.testing.assert_close(prefixes(X, 1), X.cumsum(1))
    torch.testing.assert_close(prefixes(X, -1), X.cumsum(-1))


# Settings, configs, targets


def test_two_ways_of_interpreting_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with pytest.raises(exc.IncompatibleInterpretModes, match="TRITON_INTERPRET=1 are both set"):
        helion_ir.kernel(negative.fn, ref_mode=helion_ir.RefMode.EAGER)(X)


def test_a_search_among_given_configs_needs_two() -> None:
    for configs in ([], [Config(block_sizes=[4, 4])]):
        with pytest.raises(exc.NotEnoughConfigs, match=f"got {len(configs)}"):
            FiniteSearch(configs)
        kernel = helion_ir.kernel(
            negative.fn, configs=configs, autotuner="finite", autotune_effort="quick", autotune_log_level="off",
            autotune_benchmark_fn=lambda compiled, args: 1.0,
        )  # fmt: skip
        with pytest.raises(exc.NotEnoughConfigs):
            kernel.autotune((X,))


def test_block_pointers_are_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    def code(indexing: object, **settings: Any) -> str:
        kernel = helion_ir.kernel(negative.fn, **settings)
        bound = kernel.bind((X,))
        for _ in range(2):
            bound.to_triton_code(Config(block_sizes=[4, 4], indexing=indexing))  # type: ignore[arg-type]
        return capsys.readouterr().err

    assert code("block_ptr").count("WARNING[BlockPtrIndexingUnavailable]: negative: ") == 1
    assert code(["pointer", "block_ptr"]).count("WARNING[BlockPtrIndexingUnavailable]") == 1
    assert code("pointer") == ""
    assert code("block_ptr", ignore_warnings=[exc.BlockPtrIndexingUnavailable]) == ""


@helion_ir.kernel(config=Config(block_sizes=[16]))
def refused_by_triton(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        value = x[tile] * 2
        value = hl.inline_triton("tl.no_such_function({0})", [value], output_like=value)
        out[tile] = value
    return out


def test_what_triton_refuses_points_at_the_users_line() -> None:
    compiled = helion_ir.compile(refused_by_triton, refused_by_triton.configs[0], (torch.randn(64),))
    for use in (compiled.binary, compiled.resources):
        with pytest.raises(exc.TritonError, match=r"Triton cannot compile it for sm_90: .*no_such_function") as caught:
            use("sm_90")
        place = caught.value.location
        assert place is not None
        assert place.file == __file__
        assert "no_such_function" in SOURCE[place.line - 1]
        assert caught.value.__cause__ is not None
        assert type(caught.value.__cause__).__module__.startswith("triton")


@pytest.mark.parametrize("target", ["sm_999", "sm90", "", None, 90])
def test_targets_that_are_none(target: Any) -> None:
    compiled = helion_ir.compile(negative, negative.configs[0], (X,))
    for use in (compiled.binary, compiled.resources):
        with pytest.raises(exc.InvalidAPIUsage, match="unknown target") as caught:
            use(target)
        assert "sm_90" in (caught.value.hint or "")
