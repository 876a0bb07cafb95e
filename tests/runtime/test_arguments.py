"""What calls pass: what no kernel can take, what kernels write into in place, how arguments are given; and pickling."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import Config, TensorSpec, exc
from helion_ir.specialization.in_place import shares_elements


@helion_ir.kernel(config=Config(block_sizes=[4, 8]))
def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = x[tile] + y[tile]
    return out


@helion_ir.kernel(config=Config(block_sizes=[4]))
def first(xs: dict[str, Any], n: int) -> torch.Tensor:
    x = xs["a"][0]
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile] * n
    return out


@helion_ir.kernel(config=Config(block_sizes=[4]))
def keywords(x: torch.Tensor, *, scale: float = 2.0, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile] * scale + y[tile]
    return out


@helion_ir.kernel(config=Config(block_sizes=[4]))
def positional(x: torch.Tensor, y: torch.Tensor, /, scale: float = 2.0) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile] * scale + y[tile]
    return out


def increment(x: torch.Tensor) -> None:
    for tile in hl.tile(x.size()):
        x[tile] = x[tile] + 1


def increment_view(x: torch.Tensor) -> None:
    row = x[0]
    for tile in hl.tile(row.size(0)):
        row[tile] = row[tile] + 1


def increment_first(x: torch.Tensor) -> None:
    for tile in hl.tile(x.size(1)):
        x[0, tile] = x[0, tile] + 1


def count(x: torch.Tensor) -> None:
    for row, column in hl.tile(x.size()):
        hl.atomic_add(x, [row, column], 1.0)


rewrapped = helion_ir.kernel(add.fn, config=Config(block_sizes=[2, 2]))
X, Y = torch.randn(6, 10), torch.randn(6, 10)


# Kinds of tensors --------------------------------------------------------------------------------------------------


def _quantized() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch gives them up
        return torch._empty_affine_quantized([6, 10], scale=0.1, zero_point=0, dtype=torch.qint8)


UNUSUAL: dict[str, tuple[Callable[[], torch.Tensor], str]] = {
    "sparse": (lambda: X.to_sparse(), "layout torch.sparse_coo"),
    "nested": (lambda: torch.nested.nested_tensor([X, X[:3]], layout=torch.jagged), "a nested tensor"),
    "mkldnn": (lambda: X.to_mkldnn(), "layout torch._mkldnn"),
    "quantized": (_quantized, r"a quantized tensor \(torch.qint8\)"),
    "complex": (lambda: torch.complex(X, Y), r"complex \(torch.complex64\)"),
    "negated": (lambda: torch.complex(X, Y).conj().imag, "negates"),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_tensors_without_plain_memory_are_refused_by_name(kind: str) -> None:
    make, says = UNUSUAL[kind]
    tensor = make()
    with pytest.raises(exc.UnsupportedPythonType, match=rf"^argument y is .*{says}") as caught:
        add(X, tensor)
    assert caught.value.hint
    assert caught.value.location is not None
    assert Path(caught.value.location.file) == Path(__file__)
    with pytest.raises(exc.UnsupportedPythonType, match=rf"argument xs\['a'\]\[0\] is .*{says}"):
        first({"a": [tensor]}, 3)


def test_meta_tensors_give_meta_tensors() -> None:
    result = add(X.to("meta"), Y.to("meta"))
    assert result.is_meta
    assert result.shape == X.shape


def test_tensors_on_several_devices_are_refused_where_they_are_used() -> None:
    with pytest.raises(exc.WrongDevice, match=r"^y is on cuda:1, but the kernel runs on cuda:0, as x is") as caught:
        add.bind((TensorSpec((6, 10)), TensorSpec((6, 10), device="cuda:1")))
    assert caught.value.location is not None
    assert caught.value.location.line == add.fn.__code__.co_firstlineno + 4
    with pytest.raises(exc.WrongDevice, match=r"^x is on cpu, but the kernel runs on cuda:0, as y is"):
        add.bind((TensorSpec((6, 10), device="cpu"), TensorSpec((6, 10))))
    with pytest.raises(exc.WrongDevice, match="meta"):
        add(X, Y.to("meta"))

    @helion_ir.kernel(config=Config(block_sizes=[4]))
    def elsewhere(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty([6], device="meta")
        for tile in hl.tile(6):
            out[tile] = x[tile, 0]
        return out

    with pytest.raises(exc.WrongDevice, match="out is on meta, but the kernel runs on cpu"):
        elsewhere(X)


def test_host_code_may_move_a_tensor() -> None:
    @helion_ir.kernel(config=Config(block_sizes=[4, 8]))
    def moved(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        near = y.to(x.device)
        out = torch.empty_like(x)
        for tile in hl.tile(x.size()):
            out[tile] = x[tile] + near[tile]
        return out

    bound = moved.bind((TensorSpec((6, 10)), TensorSpec((6, 10), device="cpu")))
    assert bound.device == torch.device("cuda:0")


def test_what_says_where_a_kernel_runs() -> None:
    @helion_ir.kernel(config=Config(block_sizes=[4]))
    def ones(n: int) -> torch.Tensor:
        out = torch.empty([n])
        for tile in hl.tile(n):
            out[tile] = 1.0
        return out

    @helion_ir.kernel(config=Config(block_sizes=[4]))
    def ones_on(n: int, device: Any) -> torch.Tensor:
        out = torch.empty([n], device=device)
        for tile in hl.tile(n):
            out[tile] = 1.0
        return out

    with pytest.raises(exc.NoTensorArgs, match="nothing says on which device") as caught:
        ones(5)
    assert caught.value.location is not None
    assert caught.value.location.line == ones.fn.__code__.co_firstlineno + 2
    for device in ("cpu", torch.device("cpu")):
        torch.testing.assert_close(ones_on(5, device), torch.ones(5))
    assert ones_on.bind((5, "cuda:1")).device == torch.device("cuda:1")


# Kinds of parameters -----------------------------------------------------------------------------------------------


def test_keyword_only_and_positional_only_parameters() -> None:
    x, y = torch.randn(9), torch.randn(9)
    torch.testing.assert_close(keywords(x, y=y), x * 2 + y)
    torch.testing.assert_close(keywords(x, y=y, scale=3.0), x * 3 + y)
    compiled = helion_ir.compile(keywords, keywords.configs[0], (x, 3.0, y))
    torch.testing.assert_close(compiled(x, scale=4.0, y=y), x * 4 + y)
    assert keywords.bind((x, 3.0, y)) is compiled.bound
    assert "def keywords(x: torch.Tensor, *, scale: float=2.0, y: torch.Tensor)" in compiled.source
    torch.testing.assert_close(positional(x, y), x * 2 + y)
    for call in (lambda: keywords(x), lambda: keywords(x, 3.0, y), lambda: positional(x, y=y)):
        with pytest.raises(TypeError, match=r"^(keywords|positional)\(\): "):
            call()


def _stars(x: torch.Tensor, *others: torch.Tensor) -> None: ...
def _double_stars(x: torch.Tensor, **others: torch.Tensor) -> None: ...
def _generator(x: torch.Tensor) -> Any:
    yield x


async def _coroutine(x: torch.Tensor) -> None: ...


@pytest.mark.parametrize("fn", [_stars, _double_stars, _generator, _coroutine])
def test_functions_that_are_no_kernels_are_refused_where_they_are_defined(fn: Any) -> None:
    with pytest.raises(exc.InvalidAPIUsage, match=f"^{fn.__name__}: a kernel ") as caught:
        helion_ir.kernel(fn)
    assert caught.value.location is not None
    assert caught.value.location.line == fn.__code__.co_firstlineno


def test_arguments_are_a_tuple() -> None:
    one = torch.randn(1, 6)
    for use in (lambda: add.bind(one), lambda: helion_ir.compile(add, {}, X), lambda: add.bind({"x": X, "y": Y})):  # type: ignore[arg-type]
        with pytest.raises(exc.InvalidAPIUsage, match="kernel add takes the arguments as a tuple"):
            use()


def test_code_refuses_arguments_of_another_specialization() -> None:
    bound = add.bind((X, Y))
    run = bound.compile_config(add.configs[0])
    torch.testing.assert_close(run(X, Y), X + Y)
    for call in (bound, run):
        for args in ((X[:3], Y[:3]), (X.half(), Y.half()), (X.T, Y.T)):
            with pytest.raises(exc.InvalidAPIUsage, match="another specialization"):
                call(*args)
        with pytest.raises(TypeError, match=r"add\(\)"):
            call(X)
    torch.testing.assert_close(helion_ir.compile(add, add.configs[0], (X, Y))(X[:3], Y[:3]), X[:3] + Y[:3])


def test_code_refuses_what_its_guards_exclude() -> None:
    """Equal keys, but the trace depends on a value, or on which arguments are one memory."""

    @helion_ir.kernel(config=Config(block_sizes=[4]))
    def scaled(x: torch.Tensor, n: int) -> torch.Tensor:
        factor = hl.specialize(n)
        out = torch.empty_like(x)
        for tile in hl.tile(x.size(0)):
            out[tile] = x[tile] * factor
        return out

    x = torch.randn(9)
    bound = scaled.bind((x, 3))
    assert scaled.specialization_key((x, 3)) == scaled.specialization_key((x, 4))
    torch.testing.assert_close(bound(x, 3), x * 3)
    for call in (bound, bound.compile_config(scaled.configs[0])):
        with pytest.raises(exc.InvalidAPIUsage, match="another specialization"):
            call(x, 4)


def test_a_key_that_cannot_be_hashed_is_said() -> None:
    with pytest.raises(exc.InvalidAPIUsage, match="add: key= gave what cannot be hashed"):
        helion_ir.kernel(add.fn, key=lambda x, y: [1])(X, Y)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    "spec",
    [
        {"shape": (-1, 2)}, {"shape": (2.5,)}, {"shape": 5}, {"shape": None}, {"shape": ("a",)},
        {"shape": (2, 3), "strides": (1,)}, {"shape": (2, 3), "strides": (-1, 1)}, {"shape": (2,), "strides": (1.5,)},
        {"shape": (2,), "dtype": "float"}, {"shape": (2,), "dtype": None}, {"shape": (2,), "device": "nowhere"},
    ],
)  # fmt: skip
def test_specs_of_no_tensor_are_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(exc.InvalidAPIUsage, match=r"^TensorSpec: "):
        TensorSpec(**spec)


# Writing into arguments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("static", [True, False])
def test_stores_into_elements_that_share_memory_are_refused(static: bool) -> None:
    kernel = helion_ir.kernel(increment, config=Config(block_sizes=[4, 4]), static_shapes=static)
    fine = [torch.zeros(6, 8), torch.zeros(8, 6).T, torch.zeros(12, 8)[::2], torch.zeros(1, 8).expand(1, 8)]
    for x in fine:
        kernel(x)
        torch.testing.assert_close(x, torch.ones_like(x))
    for x in (
        torch.zeros(6, 1).expand(6, 8), torch.zeros(8).expand(6, 8), torch.zeros(40).as_strided((6, 8), (1, 1)),
        torch.zeros(40).as_strided((6, 8), (4, 1)),
    ):  # fmt: skip
        with pytest.raises(exc.InvalidAssignment, match="x is written into, but several of its elements are") as caught:
            kernel(x)
        assert caught.value.location is not None
        assert caught.value.location.line == increment.__code__.co_firstlineno + 2
        assert not x.any()


def test_a_store_to_a_part_that_does_not_share_memory_is_fine() -> None:
    for fn in (increment_view, increment_first):
        x = torch.zeros(8).expand(6, 8)
        helion_ir.kernel(fn, config=Config(block_sizes=[4]))(x)
        torch.testing.assert_close(x, torch.ones(6, 8))


def test_atomics_may_meet_in_one_place() -> None:
    x = torch.zeros(6, 1)
    helion_ir.kernel(count, config=Config(block_sizes=[2, 4]))(x.expand(6, 8))
    torch.testing.assert_close(x, torch.full((6, 1), 8.0))


@pytest.mark.parametrize("fn", [increment, increment_view, count])
def test_what_requires_grad_is_not_written_into(fn: Any) -> None:
    kernel = helion_ir.kernel(fn, config=Config(block_sizes=[4] if fn is increment_view else [4, 4]))
    kernel(torch.zeros(6, 8))  # the specialization is known before
    leaf = torch.zeros(6, 8, requires_grad=True)
    for x in (leaf, leaf * 1):
        with pytest.raises(exc.InvalidAssignment, match="x requires grad"):
            kernel(x)
    assert not leaf.any()
    with torch.no_grad():
        kernel(leaf)
    assert leaf.any()
    torch.testing.assert_close(add(torch.zeros(6, 10, requires_grad=True), Y), Y)  # only read


STATE = torch.zeros(8)


@helion_ir.kernel(config=Config(block_sizes=[4]))
def keeps(x: torch.Tensor) -> None:
    for tile in hl.tile(x.size(0)):
        STATE[tile] = x[tile]


@helion_ir.kernel(config=Config(block_sizes=[4]))
def increment_all(xs: tuple[torch.Tensor, ...]) -> None:
    for tile in hl.tile(xs[0].size(0)):
        for i in hl.static_range(2):
            xs[i][tile] = xs[i][tile] + 1


def test_tuples_and_captured_tensors_count_too() -> None:
    x, leaf = torch.zeros(8), torch.zeros(8, requires_grad=True)
    increment_all((x, x.clone()))
    for number, pair in enumerate(((leaf, x), (x, leaf))):
        with pytest.raises(exc.InvalidAssignment, match=rf"xs\[{number}\] requires grad"):
            increment_all(pair)
    keeps(torch.ones(8))
    STATE.requires_grad_()
    try:
        with pytest.raises(exc.InvalidAssignment, match="STATE requires grad"):
            keeps(torch.zeros(8))
        assert bool((STATE == 1).all())
    finally:
        STATE.requires_grad_(False)


def test_what_is_detached_may_be_written_into() -> None:
    """As in PyTorch: `.data` and `.detach()` are the same memory, which autograd does not watch."""

    @helion_ir.kernel(config=Config(block_sizes=[4]))
    def by_data(p: torch.Tensor) -> None:
        data = p.data
        for tile in hl.tile(p.size(0)):
            data[tile] = p[tile] + 1

    @helion_ir.kernel(config=Config(block_sizes=[4]))
    def by_a_view_of_it(p: torch.Tensor) -> None:
        view = p.detach().view(2, 4)
        for tile in hl.tile(4):
            view[1, tile] = 1.0

    @helion_ir.kernel(config=Config(block_sizes=[4]))
    def by_both(p: torch.Tensor) -> None:
        data = p.data
        for tile in hl.tile(p.size(0)):
            data[tile] = 1.0
            p[tile] = 2.0

    p = torch.nn.Parameter(torch.zeros(8))
    by_data(p)
    torch.testing.assert_close(p.data, torch.ones(8))
    by_a_view_of_it(torch.zeros(8, requires_grad=True))
    with pytest.raises(exc.InvalidAssignment, match="p requires grad"):
        by_both(p)
    shared = torch.zeros(1).expand(8)
    with pytest.raises(exc.InvalidAssignment, match="one place in memory"):
        by_data(shared)


def test_calls_need_tensors_with_data() -> None:
    with pytest.raises(exc.InvalidAPIUsage, match=r"argument xs\[0\] is a TensorSpec, on which nothing can run"):
        increment_all((TensorSpec((9,), device="cpu"), TensorSpec((9,), device="cpu")))
    with pytest.raises(exc.UnsupportedPythonType, match="argument x is a tensor of a transform"):
        torch.vmap(add)(X.expand(2, 6, 10), Y.expand(2, 6, 10))


def test_which_layouts_share_elements() -> None:
    """Against all offsets, for every small layout of two and three dimensions."""
    values = range(5)
    for sizes in ((3, 2), (2, 4), (3, 3), (1, 4), (2, 1), (0, 3)):
        for strides in ((a, b) for a in values for b in values):
            places = [i * strides[0] + j * strides[1] for i in range(sizes[0]) for j in range(sizes[1])]
            assert shares_elements(list(zip(sizes, strides, strict=True))) == (len(set(places)) < len(places))
    assert not shares_elements([(4, 12), (3, 4), (4, 1)])
    assert shares_elements([(4, 12), (3, 0), (4, 1)])


# Pickling ----------------------------------------------------------------------------------------------------------


def test_kernels_are_pickled_by_name() -> None:
    for kernel in (add, rewrapped):
        assert pickle.loads(pickle.dumps(kernel)) is kernel
        assert copy.deepcopy({"kernel": [kernel]})["kernel"][0] is kernel
        assert copy.copy(kernel) is kernel
    with pytest.raises(pickle.PicklingError, match="by module and name"):
        pickle.dumps(helion_ir.kernel(add.fn))
    compiled = helion_ir.compile(add, {"block_sizes": [2, 4]}, (X, Y))
    again = pickle.loads(pickle.dumps(compiled))
    assert again.source == compiled.source
    torch.testing.assert_close(again(X, Y), X + Y)
    bound = add.bind((X, Y))
    assert pickle.loads(pickle.dumps(bound)) is bound


SPAWN = """
import multiprocessing
import torch, helion_ir
import helion_ir.language as hl

@helion_ir.kernel(config=helion_ir.Config(block_sizes=[4]))
def double(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile] * 2
    return out

def run(kernel, n):
    return kernel(torch.arange(float(n))).tolist()

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(run, (double, 5)))
"""


def test_kernels_go_to_other_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SPAWN)
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert result.stdout == "[0.0, 2.0, 4.0, 6.0, 8.0]\n", result.stderr
