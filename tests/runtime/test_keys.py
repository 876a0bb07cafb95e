"""Specialization keys: what tells calls apart, and what does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from helion_ir import TensorSpec, exc
from helion_ir.specialization.keys import KeyMaker

static, dynamic = KeyMaker(static_shapes=True), KeyMaker(static_shapes=False)


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclasses.dataclass
class Options:
    scale: Any
    x: Any


def differ(make: KeyMaker, one: object, other: object) -> bool:
    first, second = make((one,)), make((other,))
    assert hash(first) is not None
    return first != second


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.zeros(4, 8), torch.ones(4, 8)),
        (1, 2),
        (0, 1),
        (1.0, float("nan")),
        (True, False),
        ("tf32", "tf32"),
        (None, None),
        ([1, torch.zeros(3)], [2, torch.ones(3)]),
        (Pair(1, 2), Pair(3, 4)),
        (Options(1.0, torch.zeros(2)), Options(2.0, torch.ones(2))),
        ({"a": 1}, {"a": 2}),
        (torch.zeros(4), torch.nn.Parameter(torch.zeros(4))),
    ],
    ids=str,
)
def test_values_that_are_run_time_values_share_a_key(one: object, other: object) -> None:
    assert not differ(static, one, other)
    assert not differ(dynamic, one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        ("tf32", "ieee"),
        (None, 0),
        (torch.float16, torch.bfloat16),
        (torch.device("cpu"), torch.device("cuda:0")),
        ([1, 2], [1, 2, 3]),
        ([1, 2], (1, 2)),
        (Pair(1, 2), (1, 2)),
        (Pair(1, 2), Pair(1, 2.0)),
        (Options(1.0, None), Options(1, None)),
        ({"a": 1}, {"b": 1}),
        (torch.zeros(4), torch.zeros(4, dtype=torch.float64)),
        (torch.zeros(4), torch.zeros(4, 1)),
        (torch.zeros(64)[:32], torch.zeros(64)[1:33]),
        (torch.argmax, torch.argmin),
    ],
    ids=[str(number) for number in range(16)],
)
def test_what_a_kernel_depends_on_tells_keys_apart(one: object, other: object) -> None:
    assert differ(static, one, other)
    assert differ(dynamic, one, other)


def test_sizes_and_strides_count_when_shapes_are_static() -> None:
    tensor = torch.zeros(6, 6)
    for other in (torch.zeros(6, 7), torch.zeros(6, 12)[:, ::2], torch.zeros(1, 1), torch.zeros(0, 6)):
        assert differ(static, tensor, other)
        assert not differ(dynamic, tensor, other)


def test_mark_static_counts_when_shapes_are_dynamic() -> None:
    marked, other = torch.zeros(6, 7), torch.zeros(6, 8)
    for tensor in (marked, other):
        tensor._dynamo_static_indices = {1}  # what torch._dynamo.mark_static leaves
    assert differ(dynamic, marked, other)
    assert differ(dynamic, marked, torch.zeros(6, 7))


def test_specs_and_fakes_stand_for_tensors() -> None:
    real = torch.empty_strided((3, 5), (8, 1), dtype=torch.float16)
    with FakeTensorMode():
        fake = torch.empty_strided((3, 5), (8, 1), dtype=torch.float16)
    spec = TensorSpec((3, 5), torch.float16, strides=(8, 1), device="cpu")
    assert static((real,)) == static((fake,)) == static((spec,)) == static((TensorSpec.of(real),))
    assert dynamic((real,)) == dynamic((fake,)) == dynamic((spec,))
    assert differ(static, spec, TensorSpec((3, 5), torch.float16, device="cpu"))


def scaled(factor: object) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda value: value * factor


def shifted(offset: object) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda value: value + offset


def test_functions_count_by_code_and_by_the_types_in_their_closures() -> None:
    assert not differ(static, scaled(2), scaled(3))
    assert not differ(static, scaled(torch.zeros(3)), scaled(torch.ones(3)))
    assert differ(static, scaled(2), scaled(2.0))
    assert differ(static, scaled(torch.zeros(3)), scaled(torch.zeros(4)))
    assert differ(static, scaled(2), shifted(2))
    assert differ(static, scaled(scaled(1)), scaled(shifted(1)))


def test_graph_modules_count_by_content() -> None:
    def graph(fn: Callable[..., torch.Tensor]) -> torch.fx.GraphModule:
        return torch.fx.symbolic_trace(fn)

    assert not differ(static, graph(lambda x: x.relu() + 1), graph(lambda x: x.relu() + 1))
    assert differ(static, graph(lambda x: x.relu() + 1), graph(lambda x: x.relu() + 2))


def test_an_argument_that_has_no_value_is_refused() -> None:
    with pytest.raises(exc.UnsupportedPythonType, match="bytearray"):
        static((bytearray(b"x"),))
