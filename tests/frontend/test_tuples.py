"""Tuples and lists of tensors as arguments: one kernel argument each."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from helion_ir.dialects import inline_triton, tile
from helion_ir.dialects.constants import integer_of
from xdsl.dialects.builtin import TupleType

import helion_ir.language as hl
from helion_ir.frontend import trace

from .test_values import close, ops_of, run

X = torch.randn(21)
PAIR = (torch.randn(21), torch.randn(21))


def arguments(fn: Any, *args: Any, **options: Any) -> dict[str, tuple[str, bool]]:
    """Of each kernel argument: the host expression, and whether it is a tuple."""
    (kernel,) = trace(fn, args, **options).module.ops
    assert isinstance(kernel, tile.KernelOp)
    types = [isinstance(arg.type, TupleType) for arg in kernel.body.block.args]
    exprs = [expr.data for expr in kernel.arg_exprs]
    return {name.data: (e, t) for name, e, t in zip(kernel.arg_names, exprs, types, strict=True)}


def one_of(bufs: tuple[torch.Tensor, ...], rank: hl.constexpr) -> torch.Tensor:
    mine = bufs[rank]
    out = torch.empty_like(mine)
    for t in hl.tile(out.size(0)):
        mine[t] = t.index * 0.5
        out[t] = bufs[rank][t] * bufs[rank - 1][t]
    return out


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("kind", [tuple, list])
def test_one_argument_for_all(kind: Any, static: bool) -> None:
    assert arguments(one_of, kind(PAIR), 1, static_shapes=static) == {
        "bufs": ("bufs" if kind is tuple else "tuple(bufs)", True), "out": ("out", False),
    }  # fmt: skip
    bufs = kind(p.clone() for p in PAIR)
    close(run(one_of, bufs, 1, static=static), torch.arange(21) * 0.5 * PAIR[0])
    close(bufs[1], torch.arange(21) * 0.5)


def test_elements_keep_the_users_names() -> None:
    elements = [op for op in ops_of(one_of, PAIR, 1) if isinstance(op, inline_triton.ElementOp)]
    assert [op.result.name_hint for op in elements] == ["mine", "bufs"]
    assert {integer_of(op.index) for op in elements} == {0, 1}


def derived(bufs: Any) -> torch.Tensor:
    first, turned = bufs[0], bufs[1].view(3, 7)
    out = torch.empty_like(turned)
    for i, t in hl.tile(out.size()):
        out[i, t] = turned[i, t] + first[2]
    return out


def test_views_of_elements_are_arguments_of_their_own() -> None:
    assert arguments(derived, PAIR) == {
        "turned": ("turned", False), "bufs": ("bufs", True), "out": ("out", False)
    }  # fmt: skip
    close(run(derived, PAIR), PAIR[1].view(3, 7) + PAIR[0][2])


def rebinds(bufs: Any) -> torch.Tensor:
    bufs = [b * 2 for b in bufs] + list(bufs)
    out = torch.empty_like(bufs[0])
    for t in hl.tile(out.size(0)):
        out[t] = bufs[0][t] + bufs[3][t]
    return out


def test_a_rebound_parameter_is_still_found() -> None:
    assert arguments(rebinds, PAIR)["bufs_argument"] == ("_bufs_argument", True)
    close(run(rebinds, PAIR), PAIR[0] * 2 + PAIR[1])


def changes_its_list(bufs: list[torch.Tensor]) -> torch.Tensor:
    bufs[0] = bufs[0][1:]
    out = torch.zeros_like(bufs[0])
    for t in hl.tile(out.size(0)):
        acc = hl.zeros([t])
        for i in hl.static_range(2):
            acc = acc + bufs[i][t]
        out[t] = acc
    return out


def test_a_list_that_host_code_changes_is_no_argument() -> None:
    assert not any(is_tuple for _, is_tuple in arguments(changes_its_list, list(PAIR)).values())
    close(run(changes_its_list, list(PAIR)), PAIR[0][1:] + PAIR[1][:20])


class Weights(NamedTuple):
    scale: torch.Tensor
    shift: torch.Tensor


def in_containers(x: torch.Tensor, given: Any) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        acc = x[t] * given["weights"].scale[t] + given["weights"].shift[t]
        for part, more in zip(given["bufs"], reversed(given["bufs"]), strict=True):
            acc = acc + part[t] * more[t]
        out[t] = acc
    return out


def test_tuples_in_containers() -> None:
    given = {"bufs": list(PAIR), "weights": Weights(torch.randn(21), torch.randn(21))}
    assert arguments(in_containers, X, given)["given_bufs"] == ("tuple(given['bufs'])", True)
    close(run(in_containers, X, given), X * given["weights"].scale + given["weights"].shift + 2 * PAIR[0] * PAIR[1])


def captured(x: torch.Tensor, f: Any) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = f(x[t], t)
    return out


def test_captured_tuples() -> None:
    def bias(value: Any, t: Any) -> Any:
        return value + PAIR_HERE[0][t] - PAIR_HERE[1][t]

    PAIR_HERE = (*PAIR,)
    (passed,) = (e for e, is_tuple in arguments(captured, X, bias).values() if is_tuple)
    assert passed == "f.__closure__[0].cell_contents"
    close(run(captured, X, bias), X + PAIR[0] - PAIR[1])
