"""Opaque Triton: snippets, jit functions and assembly, from the user's call to the text of the emitted module."""

from __future__ import annotations

import ast
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import triton.language as tl
from helion_ir.dialects import inline_triton, symm_mem

import helion_ir
import helion_ir.language as hl
from helion_ir import exc
from helion_ir.frontend import trace

from ..support import jit_functions
from ..support.jit_functions import conflicting, plain, scaled, shifted, store_at, swap
from .test_values import ops_of

X = torch.randn(21)
PADS = torch.zeros(2, dtype=torch.int64)
MODULE_NAME = "not a function"


def kernel_of(body: Callable[..., Any]) -> Any:
    """A kernel around `body(x, t, given, k)`, which gives what is stored."""

    def kernel(x: torch.Tensor, given: Any, k: int, f: Any) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = f(x, t, given, k)
        return out

    return kernel


def op_of(body: Callable[..., Any], kind: Any, given: Any = None) -> Any:
    """The one op of a kind."""
    (op,) = (op for op in ops_of(kernel_of(body), X, given, 3, body) if isinstance(op, kind))
    return op


def source_of(body: Callable[..., Any], given: Any = None) -> str:
    """The emitted module."""
    kernel = helion_ir.kernel(kernel_of(body), config={"block_sizes": [16]})
    source = kernel.bind((X, given, 3, body)).to_triton_code()
    ast.parse(source)
    return source


# Snippets


def snippet(x, t, given, k):
    return hl.inline_triton(
        """
        # a comment
        low = {x} * {k}
        tl.where(
            {mask}, low,
            {scale},
        )
        """,
        {"x": x[t], "k": k, "mask": t.index > 3, "scale": 2.5, "unused": None},
        output_like=x[t],
    )


def test_snippets() -> None:
    op = op_of(snippet, inline_triton.SnippetOp)
    assert op.text.data.split("\n") == ["# a comment", "low = {0} * {1}", "tl.where({2}, low, 2.5)"]
    assert len(op.args) == 3
    assert op.pure is None
    assert op.res[0].type == op.args[0].type
    assert "tl.where(" in source_of(snippet)


def every_argument(x, t, given, k):
    hl.inline_triton(
        "f({0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}, {10}, {11}, {0})",
        (
            x, given, (x, 1), t, True, None, "a{b}'c", 2, float("-inf"), torch.float16, tl.int1, hl.constexpr(4)
        ),
        None,
    )  # fmt: skip
    return x[t]


def test_arguments_are_operands_or_text() -> None:
    op = op_of(every_argument, inline_triton.SnippetOp, (X, X))
    text = "f({0}, {1}, ({0}, 1, ), {2}, True, None, \"a{{b}}'c\", 2, float('-inf'), tl.float16, tl.int1, 4, {0})"
    assert op.text.data == text
    assert [str(arg.type).split("<")[0] for arg in op.args] == ["!tile.ref", "tuple", "!tile.tile"]
    assert not op.res


def several_results(x, t, given, k):
    low, high = hl.inline_triton("{0}, {0} + 1", [x[t]], (x[t], x[t].to(torch.float16)))
    return low + high


def test_several_results() -> None:
    op = op_of(several_results, inline_triton.SnippetOp)
    assert [str(value.type).split("x")[1][:3] for value in op.res] == ["f32", "f16"]


def static_index(x, t, given, k):
    total = x[t]
    for i in hl.static_range(3):
        total = total + hl.inline_triton("tl.load({0}[{1}] + {2}, {2} < 21, 0.0)", (given, i, t), x[t])
    return total


def test_indices_of_static_loops_are_constants() -> None:
    texts = [op.text.data for op in ops_of(kernel_of(static_index), X, (X, X, X), 3, static_index)
             if isinstance(op, inline_triton.SnippetOp)]  # fmt: skip
    assert texts == [f"tl.load({{0}}[{i}] + {{1}}, {{1}} < 21, 0.0)" for i in range(3)]


# Jit functions


def calls(x, t, given, k):
    value = hl.triton_kernel(scaled, {"factor": k, "x": x[t]}, x[t])
    value = value + hl.triton_kernel("scaled", (x[t], 1.5, False), x[t])
    first, second = hl.triton_kernel(swap, (value, x[t]), (x[t], x[t]))
    return first * 2 - second


def test_jit_functions_come_with_what_they_use_once() -> None:
    source = source_of(calls)
    for line in ("FACTOR = tl.constexpr(3)", "alias = helper", "def helper(x, FLAG: tl.constexpr):", "def scaled("):
        assert source.count(line) == 1, line
    assert source.index("def twice") < source.index("def scaled") < source.index("def _kernel")
    assert source.index("FACTOR =") < source.index("def helper") < source.index("alias =") < source.index("def scaled")
    assert "from triton.language.standard import cdiv as ceil_div" in source
    assert "@triton.constexpr_function\ndef twice" in source
    assert "PLAIN" not in source
    assert "jit_functions" not in source.replace("jit_functions.py", "")


def test_functions_bring_the_modules_that_they_use() -> None:
    op = op_of(lambda x, t, g, k: hl.triton_kernel(jit_functions.uses_math, [x[t]], x[t]), inline_triton.CallOp)
    names: dict[str, Any] = {}
    exec(op.source.data.replace("@triton.jit\n", ""), names)
    assert names["uses_math"](2) == 2 * math.pi


def variable_named_like_a_function(x, t, given, k):
    swapped, shifted_again = hl.triton_kernel(swap, (x[t], x[t] + 1), (x[t], x[t]))
    helper = hl.triton_kernel("shifted", (swapped,), x[t])
    shifted = helper * shifted_again
    return hl.triton_kernel("shifted", (shifted,), x[t])


def test_variables_do_not_hide_functions() -> None:
    source = source_of(variable_named_like_a_function)
    assert source.count("= shifted(") == 2
    assert not any(line.strip().startswith("shifted = ") for line in source.splitlines())


def shares_a_helper(x, t, given, k):
    return hl.triton_kernel(scaled, (x[t], 2), x[t]) + hl.triton_kernel(shifted, (x[t],), x[t])


def test_shared_helpers_are_emitted_once() -> None:
    assert source_of(shares_a_helper).count("def helper(") == 1


def from_text(x, t, given, k):
    return hl.triton_kernel(
        """
        def half(x):
            return x / 2

        @triton.jit
        def quarter(x, y=PARAMETER):
            return half(half(x)) + y
        """,
        (x[t],),
        x[t],
    )


PARAMETER = 4


def text_with_imports(x, t, given, k):
    return hl.triton_kernel(
        """
        import triton
        import triton.language as tl
        from math import pi
        PI: tl.constexpr = pi

        @triton.jit
        def times_pi(x):
            return tl.where(x > 0, x, x) * PI
        """,
        (x[t],),
        x[t],
    )


def other_tl(x, t, given, k):
    return hl.triton_kernel("import ast as tl\n\ndef f(x):\n    return x", (x[t],), x[t])


def test_text_may_import_what_the_module_has() -> None:
    source = source_of(text_with_imports)
    for line in ("import triton", "import triton.language as tl", "from math import pi"):
        assert source.splitlines().count(line) == 1, line
    with pytest.raises(exc.NamingConflict, match="'tl' names something else"):
        op_of(other_tl, inline_triton.CallOp)


def negative_constants(x, t, given, k):
    return hl.inline_triton("{x} * {power} ** 2 - {less}", {"x": x[t], "power": -3, "less": -0.5}, x[t])


def test_source_as_text() -> None:
    op = op_of(from_text, inline_triton.CallOp)
    assert op.function.data == "quarter"
    assert op.source.data.startswith("PARAMETER = tl.constexpr(4)\n\n@triton.jit\ndef half(x):")


def pointers(x, t, given, k):
    hl.triton_kernel(store_at, {"i": 1, "pointers": given, "value": 0.0}, None)
    return x[t]


def test_a_tuple_is_one_argument() -> None:
    op = op_of(pointers, inline_triton.CallOp, (X, X))
    assert op.arguments.data == "i=1, pointers={0}, value=0.0"
    assert "store_at(i=1, pointers=given, value=0.0)" in source_of(pointers, (X, X))


# What it computes


def check() -> None:
    """Run emitted modules under Triton's interpreter."""
    x, other = X.double(), torch.randn(21)
    long = torch.arange(21)
    expected: list[tuple[Any, Any, torch.Tensor]] = [
        (snippet, None, torch.where(long > 3, x * 3, 2.5)),
        (several_results, None, x + (x + 1)),
        (static_index, (other, X, other), x + other + x + other),
        (calls, None, 2 * x - ((x * 3 * 3 + 4) + ((x + 3) * 1.5 + 4))),
        (shares_a_helper, None, (x * 3 * 2 + 4) + (x + 3 - 1)),
        (from_text, None, x / 4 + 4),
        (text_with_imports, None, x * math.pi),
        (negative_constants, None, x * 9 + 0.5),
        (variable_named_like_a_function, None, (x + 3) * x + 2),
    ]
    for body, given, result in expected:
        actual = helion_ir.kernel(kernel_of(body), config={"block_sizes": [16]})(X, given, 3, body)
        torch.testing.assert_close(actual.double(), result, rtol=1e-2, atol=1e-2, msg=body.__name__)
    buffers = (torch.ones(21), torch.ones(21))
    helion_ir.kernel(kernel_of(pointers), config={"block_sizes": [16]})(X, buffers, 3, pointers)
    assert buffers[1].tolist() == [1.0, 0.0, *[1.0] * 19]
    assert buffers[0].tolist() == [1.0] * 21


def test_emitted() -> None:
    """In a process of its own: Triton reads TRITON_INTERPRET when it is imported."""
    root, environment = Path(__file__).parents[2], {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", "from tests.frontend.test_opaque import check; check()"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)
    assert done.returncode == 0, done.stderr[-3000:]


# Assembly


def assembly(x, t, given, k):
    low, high = hl.inline_asm_elementwise(
        "{ mov.b32 $0, $2; mov.b32 $1, $3; }", "=f,=r,f,r", [x[t], k], (torch.float32, torch.int32), True, 1
    )
    return low + high


def test_assembly() -> None:
    op = op_of(assembly, inline_triton.AsmOp)
    assert op.pure is not None
    assert len(op.res) == 2
    assert "tl.inline_asm_elementwise(" in source_of(assembly)


# Ranks


def gemm_one_shot_all_reduce(
    a: torch.Tensor,
    b: torch.Tensor,
    buf_tuple: tuple[torch.Tensor, ...],
    signal_pad_ptrs: torch.Tensor,
    rank: hl.constexpr,
    world_size: hl.constexpr,
) -> torch.Tensor:
    m, k = a.shape
    _, n = b.shape
    out = torch.empty([m, n], dtype=a.dtype, device=a.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = torch.addmm(acc, a[tile_m, tile_k], b[tile_k, tile_n])
        buf_tuple[rank][tile_m, tile_n] = acc
        hl.symm_mem_sync(signal_pad_ptrs, None, rank, world_size, True, True)
        total = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for i in hl.static_range(world_size):
            total = total + buf_tuple[i][tile_m, tile_n]
        out[tile_m, tile_n] = total
        hl.symm_mem_sync(signal_pad_ptrs, None, rank, world_size, True, hasSubsequentMemAccess=False)
    return out


@pytest.mark.parametrize("static", [True, False])
def test_the_fused_kernel_takes_its_buffers_as_one_tuple(static: bool) -> None:
    buffers = tuple(torch.zeros(33, 20) for _ in range(2))
    args = (torch.randn(33, 17), torch.randn(17, 20), buffers, PADS, 1, 2)
    first, second = (
        op for op in ops_of(gemm_one_shot_all_reduce, *args, static_shapes=static) if isinstance(op, symm_mem.SyncOp)
    )
    assert first.sync_id is None
    assert [bool(op.has_subsequent.value.data) for op in (first, second)] == [True, False]
    kernel = helion_ir.kernel(gemm_one_shot_all_reduce, config={}, static_shapes=static)
    source = kernel.bind(args).to_triton_code()
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    (device,) = (node for node in functions if node.name.startswith("_gemm"))
    parameters = [arg.arg for arg in device.args.args]
    passed = [name for name in parameters if "_size_" not in name and "_stride_" not in name]
    assert passed[:5] == ["a", "b", "buf_tuple", "signal_pad_ptrs", "out"]
    assert passed[5].startswith("_BLOCK")


def only_meets(x: torch.Tensor, pads: torch.Tensor, rank: int) -> None:
    for t in hl.tile(x.size(0)):
        hl.symm_mem_sync(pads, t.id, rank, 2)


def test_a_meeting_is_an_effect() -> None:
    (op,) = (op for op in ops_of(only_meets, X, PADS, 1) if isinstance(op, symm_mem.SyncOp))
    assert op.sync_id is not None
    assert op.has_previous is None
    assert op.has_subsequent is None


# Mistakes

MISTAKES: list[tuple[Callable[..., Any], str]] = [
    (lambda x, t, g, k: hl.inline_triton("{1}", [x[t]], x[t]), "unknown placeholder {1}"),
    (lambda x, t, g, k: hl.inline_triton("{y}", {"x": x[t]}, x[t]), "unknown placeholder {y}"),
    (lambda x, t, g, k: hl.inline_triton("{0", [x[t]], x[t]), "malformed placeholder"),
    (lambda x, t, g, k: hl.inline_triton("{0:d}", [x[t]], x[t]), "unknown placeholder"),
    (lambda x, t, g, k: hl.inline_triton(3, [x[t]], x[t]), "is text"),
    (lambda x, t, g, k: hl.inline_triton("{0} +", [x[t]], x[t]), "not Python"),
    (lambda x, t, g, k: hl.inline_triton("y = {0}", [x[t]], x[t]), "must be an expression"),
    (lambda x, t, g, k: hl.inline_triton("{0}", x[t], x[t]), "sequence or a mapping"),
    (lambda x, t, g, k: hl.inline_triton("{0}", [object()], x[t]), "of type object"),
    (lambda x, t, g, k: hl.inline_triton("{0}", [x[t]], x), "output_like"),
    (lambda x, t, g, k: hl.inline_triton("{0}", [x[t]], 1.0), "output_like"),
    (lambda x, t, g, k: hl.inline_triton("{0}", [x[t]], ()), "output_like"),
    (lambda x, t, g, k: hl.inline_triton("{0}", [x[t]]), "missing a required argument: 'output_like'"),
    (lambda x, t, g, k: hl.triton_kernel(plain, [x[t]], x[t]), "got function"),
    (lambda x, t, g, k: hl.triton_kernel("plain", [x[t]], x[t]), "got function"),
    (lambda x, t, g, k: hl.triton_kernel("missing", [x[t]], x[t]), "no Triton function 'missing'"),
    (lambda x, t, g, k: hl.triton_kernel("MODULE_NAME", [x[t]], x[t]), "no @triton.jit function"),
    (lambda x, t, g, k: hl.triton_kernel("def f(:", [x[t]], x[t]), "not Python"),
    (lambda x, t, g, k: hl.triton_kernel("y = 3", [x[t]], x[t]), "defines no function"),
    (lambda x, t, g, k: hl.triton_kernel("def f(x):\n    return nothing_known(x)", [x[t]], x[t]), "'nothing_known'"),
    (lambda x, t, g, k: hl.triton_kernel("def f(x):\n    return x + PADS", [x[t]], x[t]), "a Tensor, which cannot"),
    (lambda x, t, g, k: hl.triton_kernel("def f(x):\n    return helion_ir.cdiv(x, 2)", [x[t]], x[t]), "cannot import"),
    (lambda x, t, g, k: hl.triton_kernel(scaled, [x[t]], x[t]), "needs an argument for 'factor'"),
    (lambda x, t, g, k: hl.triton_kernel(scaled, [x[t], 1, True, 2], x[t]), "takes 3 arguments, got 4"),
    (lambda x, t, g, k: hl.triton_kernel(scaled, {"x": x[t], "factors": 1}, x[t]), "no parameter 'factors'"),
    (lambda x, t, g, k: hl.inline_asm_elementwise(1, "=f", [x[t]], x.dtype, True, 1), "asm is text"),
    (lambda x, t, g, k: hl.inline_asm_elementwise("", "=f", [x[t]], "f", True, 1), "dtype is a dtype"),
    (lambda x, t, g, k: hl.inline_asm_elementwise("", "=f", [x[t]], x.dtype, True, 0), "positive int"),
    (lambda x, t, g, k: hl.inline_asm_elementwise("", "=f", [x], x.dtype, True, 1), "device tensors and numbers"),
    (lambda x, t, g, k: hl.symm_mem_sync(x[t], None, 0, 2), "whole host tensor"),
    (lambda x, t, g, k: hl.symm_mem_sync(x, None, 0, 2), "int64 or uint64"),
    (lambda x, t, g, k: hl.symm_mem_sync(g, None, 2, 2), "rank 2"),
    (lambda x, t, g, k: hl.symm_mem_sync(g, 0.5, 0, 2), "sync_id is an integer"),
    (lambda x, t, g, k: hl.symm_mem_sync(g, None, x[t], 2), "rank is an integer"),
    (lambda x, t, g, k: hl.symm_mem_sync(g, None, 0, 2, 1), "hasPreviousMemAccess"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "says"), MISTAKES, ids=[says for _, says in MISTAKES])
def test_mistakes(body: Callable[..., Any], says: str) -> None:
    with pytest.raises(exc.InvalidAPIUsage) as caught:
        trace(kernel_of(body), (X, PADS, 3, body))
    assert says in caught.value.message
    assert caught.value.location is not None


def conflict(x, t, given, k):
    return hl.triton_kernel(scaled, (x[t], 2), x[t]) + hl.triton_kernel(conflicting, (x[t],), x[t])


def named_like_the_kernel(x, t, given, k):
    return hl.triton_kernel("def kernel(x):\n    return x", (x[t],), x[t])


def named_like_an_argument(x, t, given, k):
    return hl.triton_kernel("def x(value):\n    return value", (x[t],), x[t])


@pytest.mark.parametrize("body", [conflict, named_like_the_kernel, named_like_an_argument])
def test_naming_conflicts(body: Callable[..., Any]) -> None:
    with pytest.raises(exc.NamingConflict):
        trace(kernel_of(body), (X, None, 3, body))


@pytest.mark.parametrize(
    "call",
    [
        lambda: hl.inline_triton("1", [], None), lambda: hl.triton_kernel(scaled, [], None),
        lambda: hl.inline_asm_elementwise("", "", [], X.dtype, True, 1), lambda: hl.symm_mem_sync(PADS, None, 0, 2),
    ],
)  # fmt: skip
def test_device_code_only(call: Callable[[], Any]) -> None:
    def kernel(x: torch.Tensor) -> None:
        call()
        for t in hl.tile(x.size(0)):
            x[t] = 0.0

    with pytest.raises(exc.NotInsideKernel):
        call()
    with pytest.raises(exc.DeviceAPIOnHost):
        trace(kernel, (X,))
