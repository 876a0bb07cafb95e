"""What a kernel reads beside its arguments may change between calls: the next call sees the new value."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir.specialization.captures import Captures, baked

from ..support import captured_elsewhere as elsewhere
from ..support.captured_elsewhere import scaled

kernel = helion_ir.kernel(autotune_effort="none", ignore_warnings=[helion_ir.exc.TensorOperationInWrapper])
X = torch.randn(9)

SCALE: Any = 2.0
SHIFTS = [1.0, 2.0]
FUNCTIONS = {"f": lambda value: value * 2}
OPTIONS = types.SimpleNamespace(scale=2.0, unread=0)
WEIGHT = torch.full((9,), 2.0)


class Mode(enum.Enum):
    DOUBLE = 2.0
    TRIPLE = 3.0


class Scale:
    factor = 1.0

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __call__(self, value: torch.Tensor) -> torch.Tensor:
        return value * self.scale * self.factor

    def times(self, value: torch.Tensor) -> torch.Tensor:
        return value * self.scale

    @property
    def doubled(self) -> float:
        return 2 * self.scale


@dataclasses.dataclass
class Nested:
    inner: Scale


MODE = Mode.DOUBLE
OBJECT = Scale(2.0)
NESTED = Nested(Scale(2.0))


def helper(value: torch.Tensor) -> torch.Tensor:
    return value * SCALE


@kernel
def apply(x: torch.Tensor, fn: Callable[[Any], Any]) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = fn(x[t])
    return out


@kernel
def of_global(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * SCALE
    return out


@kernel
def of_list(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        value = x[t]
        for shift in SHIFTS:
            value = value + shift
        out[t] = value
    return out


@kernel
def of_dict(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = FUNCTIONS["f"](x[t])
    return out


@kernel
def of_namespace(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * OPTIONS.scale
    return out


@kernel
def of_helper(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = helper(x[t])
    return out


@kernel
def of_mode(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * (2 if MODE is Mode.DOUBLE else 3)
    return out


@kernel
def of_object(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = OBJECT(x[t]) + OBJECT.times(x[t]) + OBJECT.doubled
    return out


@kernel
def of_nested(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * NESTED.inner.scale
    return out


@kernel
def of_module(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * elsewhere.SCALE * elsewhere.Options.scale
    return out


@kernel
def of_other_modules_helper(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = scaled(x[t])
    return out


@kernel
def of_tensor(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * WEIGHT[t]
    return out


@kernel
def of_host(x: torch.Tensor) -> torch.Tensor:
    scale = SCALE * 2
    out = torch.full_like(x, scale) if SCALE > 2 else torch.zeros_like(x)
    for t in hl.tile(x.size(0)):
        out[t] += x[t]
    return out


def put(name: str, value: object) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setitem(globals(), name, value)


def put_in(owner: Any, name: str, value: object) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(owner, name, value)


@pytest.mark.parametrize(
    ("fn", "before", "change", "after"),
    [
        (of_global, lambda x: x * 2, put("SCALE", 3.0), lambda x: x * 3),
        (of_global, lambda x: x * 2, put("SCALE", torch.tensor(1.5).item()), lambda x: x * 1.5),
        (of_list, lambda x: x + 3, put("SHIFTS", [1.0, 2.0, 3.0]), lambda x: x + 6),
        (of_dict, lambda x: x * 2, lambda patch: patch.setitem(FUNCTIONS, "f", lambda v: v + 1), lambda x: x + 1),
        (of_namespace, lambda x: x * 2, put_in(OPTIONS, "scale", 3.0), lambda x: x * 3),
        (of_namespace, lambda x: x * 2, put("OPTIONS", types.SimpleNamespace(scale=4)), lambda x: x * 4),
        (of_helper, lambda x: x * 2, put("SCALE", 3.0), lambda x: x * 3),
        (of_helper, lambda x: x * 2, put("helper", lambda value: value - SCALE), lambda x: x - 2),
        (of_mode, lambda x: x * 2, put("MODE", Mode.TRIPLE), lambda x: x * 3),
        (of_object, lambda x: x * 4 + 4, put_in(OBJECT, "scale", 3.0), lambda x: x * 6 + 6),
        (of_object, lambda x: x * 4 + 4, put_in(Scale, "factor", 2.0), lambda x: x * 6 + 4),
        (of_object, lambda x: x * 4 + 4, put_in(Scale, "times", lambda self, v: v), lambda x: x * 3 + 4),
        (of_object, lambda x: x * 4 + 4, put_in(Scale, "doubled", 7.0), lambda x: x * 4 + 7),
        (of_nested, lambda x: x * 2, put_in(NESTED.inner, "scale", 3.0), lambda x: x * 3),
        (of_nested, lambda x: x * 2, put_in(NESTED, "inner", Scale(5.0)), lambda x: x * 5),
        (of_module, lambda x: x * 4, put_in(elsewhere, "SCALE", 3.0), lambda x: x * 6),
        (of_module, lambda x: x * 4, put_in(elsewhere.Options, "scale", 3.0), lambda x: x * 6),
        (of_other_modules_helper, lambda x: x * 2, put_in(elsewhere, "SCALE", 3.0), lambda x: x * 3),
        (of_tensor, lambda x: x * 2, put("WEIGHT", torch.full((18,), 3.0)[::2]), lambda x: x * 3),
        (of_tensor, lambda x: x * 2, put("WEIGHT", torch.full((9,), 3, dtype=torch.int32)), lambda x: x * 3),
        (of_host, lambda x: x, put("SCALE", 3.0), lambda x: x + 6),
    ],
)
def test_the_next_call_sees_what_changed(
    fn: Any, before: Any, change: Any, after: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fn.bind((X,))
    torch.testing.assert_close(fn(X), before(X))
    with monkeypatch.context() as patch:
        change(patch)
        torch.testing.assert_close(fn(X), after(X))
        assert fn.bind((X,)) is not first
    torch.testing.assert_close(fn(X), before(X))
    assert fn.bind((X,)) is first


def test_a_list_that_is_changed_in_place() -> None:
    for shift in (1.0, 5.0, 1.0):
        SHIFTS[0] = shift
        torch.testing.assert_close(of_list(X), X + shift + 2)


def test_what_is_not_read_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first = of_namespace.bind((X,))
    monkeypatch.setattr(OPTIONS, "unread", 5)
    monkeypatch.setitem(globals(), "SHIFTS", [])
    assert of_namespace.bind((X,)) is first


def test_a_captured_tensor_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "WEIGHT", torch.full((9,), 2.0))
    first = of_tensor.bind((X,))
    WEIGHT.mul_(2)
    torch.testing.assert_close(of_tensor(X), X * 4)
    monkeypatch.setitem(globals(), "WEIGHT", torch.full((9,), 3.0))
    torch.testing.assert_close(of_tensor(X), X * 3)
    assert of_tensor.bind((X,)) is first


def test_a_captured_tensor_of_another_size_where_shapes_are_dynamic(monkeypatch: pytest.MonkeyPatch) -> None:
    @helion_ir.kernel(autotune_effort="none", static_shapes=False)
    def total(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = x[t] + WEIGHT[:].sum()
        return out

    for count in (9, 5, 20):
        monkeypatch.setitem(globals(), "WEIGHT", torch.full((count,), 2.0))
        torch.testing.assert_close(total(X), X + 2 * count)


def test_variables_of_enclosing_functions() -> None:
    def make() -> tuple[Any, Callable[[], None]]:
        count = 1

        @kernel
        def times(x: torch.Tensor) -> torch.Tensor:
            out = torch.empty_like(x)
            for t in hl.tile(x.size(0)):
                out[t] = x[t] * count
            return out

        def more() -> None:
            nonlocal count
            count += 1

        return times, more

    times, more = make()
    for count in (1, 2, 3):
        torch.testing.assert_close(times(X), X * count)
        more()


@pytest.mark.parametrize(
    "make",
    [
        lambda scale: lambda value, scale=scale: value * scale,
        lambda scale: lambda value, *, scale=scale: value * scale,
        lambda scale: lambda value, scales=(1.0, scale): value * scales[0] * scales[1],
        lambda scale: functools.partial(lambda first, value: value * first, scale),
        lambda scale: functools.partial(lambda value, factor: value * factor, factor=scale),
        lambda scale: Scale(scale),
        lambda scale: Scale(scale).times,
        lambda scale: functools.partial(lambda fn, value: fn(value), Scale(scale)),
        lambda scale: _of_module(f"def f(v): return v * {scale}"),
        lambda scale: _of_module(f"S = {scale}\ndef f(v): return v * S"),
        lambda scale: _of_module(f"S = {scale}\ndef g(v): return v * S\ndef f(v): return g(v)"),
    ],
)
def test_functions_that_hold_or_read_other_values_are_other_functions(make: Any) -> None:
    for scale in (2.0, 3.0, 2.0):
        torch.testing.assert_close(apply(X, make(scale)), X * scale)
    assert apply.bind((X, make(5.0))) is not apply.bind((X, make(6.0)))


def _of_module(text: str) -> Any:
    scope: dict[str, Any] = {}
    exec(text, scope)
    return scope["f"]


def test_an_object_that_is_called_may_change() -> None:
    scale = Scale(2.0)
    for factor in (2.0, 3.0, 2.0):
        scale.scale = factor
        torch.testing.assert_close(apply(X, scale), X * factor)
        torch.testing.assert_close(apply(X, scale.times), X * factor)


def test_functions_of_one_definition_share() -> None:
    def make(scale: float) -> Any:
        return lambda value, two=2: value * scale * two

    assert apply.bind((X, make(2.0))) is apply.bind((X, make(3.0)))
    assert apply.bind((X, functools.partial(scaled))) is apply.bind((X, functools.partial(scaled)))


def test_modules_are_told_apart_by_what_they_hold() -> None:
    class Weighted(torch.nn.Module):
        def __init__(self, scale: float) -> None:
            super().__init__()
            self.weight, self.scale = torch.nn.Parameter(torch.full((9,), 2.0)), scale

    @kernel
    def weighted(x: torch.Tensor, module: torch.nn.Module) -> torch.Tensor:
        out = torch.empty_like(x)
        weight = module.weight
        for t in hl.tile(x.size(0)):
            out[t] = x[t] * weight[t] * module.scale
        return out

    for scale in (2.0, 3.0):
        torch.testing.assert_close(weighted(X, Weighted(scale)), X * 2 * scale)
    module = Weighted(4.0)
    first = weighted.bind((X, module))
    module.weight = torch.nn.Parameter(torch.full((9,), 3.0))
    assert weighted.bind((X, module)) is first
    torch.testing.assert_close(weighted(X, module), X * 12)
    module.scale = 5.0
    torch.testing.assert_close(weighted(X, module), X * 15)


def test_the_default_dtype_counts_where_something_asked_for_it() -> None:
    @kernel
    def zeros(x: torch.Tensor) -> torch.Tensor:
        out = torch.zeros([x.size(0)])
        for t in hl.tile(x.size(0)):
            out[t] = x[t] / 3
        return out

    counts = torch.arange(9)
    assert of_global.bind((X,)).traced.guards == ()
    torch.testing.assert_close(zeros(counts), counts / 3)
    torch.set_default_dtype(torch.float64)
    try:
        torch.testing.assert_close(zeros(counts), counts / 3)
    finally:
        torch.set_default_dtype(torch.float32)
    assert zeros(counts).dtype == torch.float32


def test_a_kernel_without_captures_makes_no_key_of_them() -> None:
    apply(X, torch.relu)
    assert apply._key == apply._make_key
    assert not Captures(of_global.fn).empty


def test_values_that_compare_equal_are_told_apart() -> None:
    for one, other in ((0.0, -0.0), (1, 1.0), (1, True), ([1], (1,)), ({1: 2}, {1: 2.0}), ({1}, {1.0})):
        assert baked(one) != baked(other)
    for value in (float("nan"), [1, [2]], {"a": (1, 2)}, Scale(1.0), Mode.DOUBLE, functools.partial(scaled, 1)):
        assert baked(value) == baked(value)
        assert hash(baked(value)) == hash(baked(value))


def test_an_object_that_holds_itself_has_a_baked() -> None:
    around: list[Any] = [1]
    around.append(around)
    held = Scale(1.0)
    held.scale = held  # type: ignore[assignment]
    for value in (around, held):
        assert baked(value) == baked(value)
