"""Launches past Triton's JIT, against what the JIT itself launches, with a driver that records instead of launching."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import triton
from helion_ir.backends.triton.backend import BACKEND
from triton import knobs
from triton.backends.compiler import GPUTarget

import helion_ir
import helion_ir.language as hl
from helion_ir import Config
from helion_ir.runtime import specialized


class Driver:
    """A driver of an H100 that is not there; functions are numbered as they are loaded."""

    def __init__(self) -> None:
        self.launches: list[tuple[Any, ...]] = []
        self.loaded = 0
        self.utils = SimpleNamespace(
            load_binary=self._load, unload_module=lambda *_: None,
            get_device_properties=lambda _: {"max_shared_mem": 232448},
        )  # fmt: skip

    def _load(self, *_: object) -> tuple[int, ...]:
        self.loaded += 1
        return 0, self.loaded, 32, 0, 1024

    def launcher_cls(self, src: object, metadata: object) -> Any:
        return lambda *args: self.launches.append(args)

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 7


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "1")  # Triton 3.9 warns where it is not set
    before, active = triton.runtime.driver._active, Driver()
    triton.runtime.driver.set_active(active)  # pyright: ignore[reportArgumentType]
    yield active
    triton.runtime.driver._active = before


@helion_ir.kernel(config=Config(block_sizes=[128]), static_shapes=False)
def scaled(x: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile] * n
    return out


def hosts(args: tuple[Any, ...]) -> tuple[Any, Any]:
    """The host function that launches by itself, and the one that the JIT launches for."""
    bound = scaled.bind(args)
    source = bound.to_triton_code(scaled.configs[0])
    return BACKEND.launcher(source, bound.name), BACKEND.host(source, bound.name)


def no_jit(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the JIT launches")

    monkeypatch.setattr(host.__globals__["_scaled"]._jit, "run", refuse)


def test_launches_are_the_jits(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(1030)
    variants: list[tuple[torch.Tensor, int]] = [
        (x[offset : offset + size].to(dtype) if dtype is not x.dtype else x[offset : offset + size], n)
        for offset in (0, 1) for size in (1, 16, 100, 1024) for n in (1, 2, 16, 2**31, -16)
        for dtype in (torch.float32, torch.bfloat16)
    ]  # fmt: skip
    fast, plain = hosts(variants[0])
    expected: list[tuple[Any, ...]] = []
    for args in variants:
        fast(*args)
        fast(*args)
        plain(*args)
        expected.append(driver.launches[-1])
    assert len({launch[4] for launch in expected}) > 8
    no_jit(fast, monkeypatch)
    for args, jit_launch in zip(variants, expected, strict=True):
        fast(*args)
        launch = driver.launches[-1]
        assert launch[:6] == jit_launch[:6]
        assert launch[6:9] == (None, None, None)
        assert [type(arg) for arg in launch[9:]] == [type(arg) for arg in jit_launch[9:]]
        assert launch[9] is args[0]
        assert [arg for arg in launch[9:] if isinstance(arg, int)] == [a for a in jit_launch[9:] if isinstance(a, int)]


def test_hooks_see_launches(driver: Driver) -> None:
    args = torch.randn(64), 3
    fast, _ = hosts(args)
    for _ in range(3):
        fast(*args)
    seen: list[str] = []
    hook = lambda metadata: seen.append(metadata.get()["name"])  # noqa: E731
    knobs.runtime.launch_enter_hook.add(hook)
    try:
        fast(*args)
    finally:
        knobs.runtime.launch_enter_hook.remove(hook)
    *_, metadata, enter, leave = driver.launches[-1][:9]
    assert enter is knobs.runtime.launch_enter_hook
    assert leave is knobs.runtime.launch_exit_hook
    enter.calls.append(hook)
    enter(metadata)
    enter.calls.remove(hook)
    assert seen == ["_scaled"]


def test_another_driver_is_met_anew(driver: Driver) -> None:
    args = torch.randn(64), 5
    fast, _ = hosts(args)
    for _ in range(3):
        fast(*args)
    other = Driver()
    triton.runtime.driver.set_active(other)  # pyright: ignore[reportArgumentType]
    fast.__globals__["_scaled"]._jit.device_caches.clear()  # as after a change of the device's driver
    count = len(driver.launches)
    fast(*args)
    fast(*args)
    assert (len(driver.launches), len(other.launches)) == (count, 2)


def test_launches_happen_where_the_tensors_are(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever device is the current one: on its current stream, and by a kernel that was loaded there."""
    current = [0]

    @contextmanager
    def device(index: int) -> Iterator[None]:
        before, current[0] = current[0], index
        yield
        current[0] = before

    monkeypatch.setattr(driver, "get_current_device", lambda: current[0])
    monkeypatch.setattr(driver, "get_current_stream", lambda index: 70 + index)
    monkeypatch.setattr(torch.cuda, "device", device)
    args = torch.randn(64), 3
    bound = scaled.bind(args)
    fast = BACKEND.launcher(bound.to_triton_code(scaled.configs[0]), bound.name, 1)
    for here in (0, 1, 0, 0, 1):
        current[0] = here
        fast(*args)
        assert driver.launches[-1][3] == 71
        assert current[0] == here
    assert driver.loaded == 1
    BACKEND.launcher(bound.to_triton_code(scaled.configs[0]), bound.name)(*args)
    assert driver.launches[-1][3] == 70 + current[0]


def test_what_the_compiler_refuses_at_a_launch_is_explained(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    args = torch.randn(64), 3
    bound = scaled.bind(args)
    explained: list[Exception] = []

    def explain(error: Exception) -> Exception:
        explained.append(error)
        return helion_ir.exc.TritonError("explained")

    fast = BACKEND.launcher(bound.to_triton_code(scaled.configs[0]), bound.name, None, explain)
    launcher = fast.__globals__["_scaled"]
    for error, is_compilers in (
        (triton.OutOfResources(300000, 232448, "shared memory"), True), (RuntimeError("PassManager::run failed"), True),
        (RuntimeError("an illegal memory access"), False), (TypeError("no"), False),
    ):  # fmt: skip
        monkeypatch.setattr(launcher._jit, "run", partial(_raise, error))
        with pytest.raises(helion_ir.exc.TritonError if is_compilers else type(error)) as caught:
            fast(*args)
        assert (caught.value.__cause__ if is_compilers else caught.value) is error
    assert len(explained) == 2


def _raise(error: Exception, *_: object, **__: object) -> None:
    raise error


def test_calls_launch_past_the_jit(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specialized, "mode_for", lambda device_type, backend: "device")
    args = torch.randn(640), 7
    scaled.reset()
    for _ in range(3):
        scaled(*args)
    bound = scaled.bind(args)
    no_jit(bound.compiled(scaled.configs[0]), monkeypatch)
    count = len(driver.launches)
    scaled(*args)
    assert len(driver.launches) == count + 1
    scaled.reset()
