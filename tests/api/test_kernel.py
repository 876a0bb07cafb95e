"""`kernel`, `Kernel` and `BoundKernel`: signatures, specialization, configs, errors through the public API."""

from __future__ import annotations

import functools
import gc
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import Config, TensorSpec, exc
from helion_ir.autotuner.best_configs import remember

BLOCKS = Config(block_sizes=[16, 32])


def scaled_sum(x: torch.Tensor, y: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = x[tile] * scale + y[tile]
    return out


def in_place(x: torch.Tensor, step: float = 1.0) -> None:
    for tile in hl.tile(x.size()):
        x[tile] = x[tile] + step


def specialized(x: torch.Tensor) -> torch.Tensor:
    n = hl.specialize(x.size(1))
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile, :] = x[tile, :] * n
    return out


def apply(x: torch.Tensor, fn: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = fn(x[tile])
    return out


WEIGHT = torch.full((53,), 2.0)


def weighted(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = x[tile] * WEIGHT[tile[1]]
    return out


def no_loop(x: torch.Tensor) -> torch.Tensor:
    return x + 1


def pair(rows: int = 37, columns: int = 53) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(rows, columns), torch.randn(rows, columns)


# Signatures --------------------------------------------------------------------------------------------------------


def test_decorator_with_and_without_parentheses() -> None:
    for made in (
        helion_ir.kernel(scaled_sum),
        helion_ir.kernel()(scaled_sum),
        helion_ir.jit(config=BLOCKS)(scaled_sum),
    ):
        assert isinstance(made, helion_ir.Kernel)
        assert made.fn is scaled_sum
        assert made.__name__ == "scaled_sum"
        assert inspect.signature(made) == inspect.signature(scaled_sum)
    assert helion_ir.kernel(helion_ir.kernel(scaled_sum), config=BLOCKS).configs == [BLOCKS]
    assert helion_ir.kernel(scaled_sum, config={"block_sizes": [16, 32]}).configs == [BLOCKS]


def test_calls_take_the_users_signature() -> None:
    kernel = helion_ir.kernel(scaled_sum, config=BLOCKS)
    x, y = pair()
    for result in (kernel(x, y), kernel(x, y=y), kernel(y=y, x=x, scale=2.0), kernel(x, y, 2.0)):
        torch.testing.assert_close(result, x * 2 + y)
    torch.testing.assert_close(kernel(x, y, 3.5), x * 3.5 + y)
    assert kernel.normalize_args(x, y=y) == (x, y, 2.0)


@pytest.mark.parametrize("call", [lambda k, x: k(x), lambda k, x: k(x, x, 1.0, x), lambda k, x: k(x, x, scales=1.0)])
def test_wrong_calls_are_plain_type_errors(call: Callable[..., Any]) -> None:
    kernel = helion_ir.kernel(scaled_sum, config=BLOCKS)
    with pytest.raises(TypeError, match="scaled_sum"):
        call(kernel, torch.zeros(4, 4))


def test_no_return_gives_none_and_arguments_are_written_in_place() -> None:
    kernel = helion_ir.kernel(in_place, config=BLOCKS)
    x, _ = pair()
    expected = x + 1
    assert kernel(x) is None
    torch.testing.assert_close(x, expected)
    assert kernel(x, step=2.0) is None
    torch.testing.assert_close(x, expected + 2)


def test_what_is_no_function_is_refused() -> None:
    for wrong in (torch.argmax, functools.partial(scaled_sum, scale=1.0), 3):
        with pytest.raises(exc.InvalidAPIUsage, match="function"):
            helion_ir.kernel(wrong)  # type: ignore[arg-type]
    with pytest.raises(exc.InvalidAPIUsage, match="both"):
        helion_ir.kernel(scaled_sum, config=BLOCKS, configs=[BLOCKS])


def ignored(fn: Callable[..., Any]) -> Callable[..., Any]:
    return fn


@helion_ir.kernel(config=BLOCKS)
@ignored
def decorated_below(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = x[tile]
    return out


@ignored
@helion_ir.kernel(config=BLOCKS)
def decorated_above(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = x[tile]
    return out


def test_no_decorator_stands_below_the_kernel_decorator() -> None:
    with pytest.raises(exc.DecoratorAfterHelionKernelDecorator, match="ignored") as caught:
        decorated_below.bind((torch.zeros(4, 4),))
    assert caught.value.location is not None
    assert caught.value.location.line == decorated_below.fn.__code__.co_firstlineno + 1
    decorated_above.bind((torch.zeros(4, 4),))


# Specialization ----------------------------------------------------------------------------------------------------


def test_equal_keys_give_the_identical_bound_kernel() -> None:
    kernel = helion_ir.kernel(scaled_sum)
    x, y = pair()
    bound = kernel.bind((x, y))
    assert kernel.bind((y, x, 7.0)) is bound
    assert kernel.bind((TensorSpec.of(x), TensorSpec.of(y), 2.0)) is bound
    assert kernel.bind((x, y, 2)) is not bound
    assert kernel.bind(pair(36)) is not bound
    assert kernel.specialization_key((x, y)) == kernel.specialization_key((y, x, 1.5))
    assert bound.kernel is kernel
    kernel.reset()
    assert kernel.bind((x, y)) is not bound


def test_one_dynamic_kernel_serves_every_size() -> None:
    kernel = helion_ir.kernel(scaled_sum, config=BLOCKS, static_shapes=False)
    bound = kernel.bind(pair())
    for rows, columns in ((37, 53), (1, 1), (0, 5), (3, 0), (64, 64), (1, 129)):
        x, y = pair(rows, columns)
        if min(rows, columns) > 1:
            assert kernel.bind((x, y)) is bound
        torch.testing.assert_close(kernel(x, y), x * 2 + y)
    strided, y = torch.randn(10, 40)[::2, ::2], torch.randn(20, 5).T
    torch.testing.assert_close(kernel(strided, y), strided * 2 + y)


def test_specialized_sizes_join_the_key() -> None:
    kernel = helion_ir.kernel(specialized, config=Config(block_sizes=[8]), static_shapes=False)
    bound = kernel.bind((torch.randn(5, 12),))
    assert kernel.bind((torch.randn(9, 12),)) is bound
    assert kernel.bind((torch.randn(9, 13),)) is not bound
    for columns in (12, 13, 12):
        x = torch.randn(7, columns)
        torch.testing.assert_close(kernel(x), x * columns)


def test_a_users_key_joins_the_key() -> None:
    kernel = helion_ir.kernel(scaled_sum, config=BLOCKS, key=lambda x, y, scale: scale > 1)
    x, y = pair()
    assert kernel.bind((x, y, 2.0)) is kernel.bind((x, y, 3.0))
    assert kernel.bind((x, y, 2.0)) is not kernel.bind((x, y, 0.5))


def test_functions_as_arguments() -> None:
    kernel = helion_ir.kernel(apply, config=BLOCKS)
    x, _ = pair()
    for factor in (2.0, 3.0):
        torch.testing.assert_close(kernel(x, lambda v, f=factor: torch.relu(v)), torch.relu(x))
    torch.testing.assert_close(kernel(x, torch.sigmoid), torch.sigmoid(x))
    assert kernel.bind((x, torch.sigmoid)) is not kernel.bind((x, torch.tanh))


def test_captured_tensors_are_those_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = helion_ir.kernel(weighted, config=BLOCKS)
    x, _ = pair()
    torch.testing.assert_close(kernel(x), x * 2)
    bound = kernel.bind((x,))
    monkeypatch.setitem(globals(), "WEIGHT", torch.full((53,), 3.0))
    torch.testing.assert_close(kernel(x), x * 3)
    assert kernel.bind((x,)) is bound
    monkeypatch.setitem(globals(), "WEIGHT", torch.full((106,), 4.0)[::2])
    torch.testing.assert_close(kernel(x), x * 4)
    assert kernel.bind((x,)) is not bound


def test_settings_hold_after_reset_and_configs_at_the_next_call() -> None:
    kernel = helion_ir.kernel(scaled_sum, config=BLOCKS)
    x, y = pair()
    kernel(x, y)
    kernel.configs = [Config(block_sizes=[8, 8], num_warps=1)]
    kernel(x, y)
    assert "8" in kernel.bind((x, y)).to_triton_code()
    kernel.configs = [Config(block_sizes=[8])]
    with pytest.raises(exc.InvalidConfig):
        kernel(x, y)
    kernel.settings.static_shapes = False
    kernel.reset()
    assert kernel.bind((x, y)) is kernel.bind(pair(3, 4))


def test_an_unknown_backend_is_refused_when_bound() -> None:
    kernel = helion_ir.kernel(scaled_sum, backend="cute")
    with pytest.raises(exc.BackendUnsupported, match="no backend 'cute'; the backends are triton") as caught:
        kernel.bind(pair())
    assert caught.value.location is not None
    assert caught.value.location.line == scaled_sum.__code__.co_firstlineno


def test_a_failed_bind_leaves_nothing_behind() -> None:
    kernel = helion_ir.kernel(no_loop, config=BLOCKS)
    for _ in range(2):
        with pytest.raises(exc.NoDeviceLoopsInKernel):
            kernel(torch.zeros(4))
    assert not kernel._specializations
    assert not kernel._runs


def test_a_bound_kernel_keeps_no_tensor_alive() -> None:
    kernel = helion_ir.kernel(scaled_sum, config=BLOCKS)
    x, y = pair(31, 17)
    kernel(x, y)
    del x, y
    gc.collect()
    assert not [o for o in gc.get_objects() if type(o) is torch.Tensor and o.shape == (31, 17)]


# Configs -----------------------------------------------------------------------------------------------------------


def test_without_a_config_the_default_runs_and_says_so_once(capfd: pytest.CaptureFixture[str]) -> None:
    kernel = helion_ir.kernel(scaled_sum)
    for rows in (5, 5, 6):
        x, y = pair(rows, 7)
        torch.testing.assert_close(kernel(x, y), x * 2 + y)
    assert capfd.readouterr().err.count("does not tune: runs the default config") == 1
    quiet = helion_ir.kernel(scaled_sum, autotune_effort="none")
    quiet(x, y)
    assert capfd.readouterr().err == ""


def test_code_needs_a_config() -> None:
    x, y = pair()
    with pytest.raises(RuntimeError, match="no config provided"):
        helion_ir.kernel(scaled_sum).bind((x, y)).to_triton_code()
    bound = helion_ir.kernel(scaled_sum, autotune_effort="none").bind((x, y))
    assert bound.to_triton_code() == bound.to_code(bound.config_spec.default_config())
    bound.set_config(BLOCKS)
    assert bound.to_triton_code() == bound.to_triton_code(BLOCKS)
    torch.testing.assert_close(bound(x, y), x * 2 + y)
    run = bound.compile_config({"block_sizes": [8, 8]})
    for result in (run(x, y, 2.0), run(x, y), run(x, y=y), run(x, y, scale=2.0)):
        torch.testing.assert_close(result, x * 2 + y)
    with pytest.raises(TypeError, match="missing a required argument: 'y'"):
        run(x)


def test_tuning_is_not_there_and_says_so() -> None:
    kernel = helion_ir.kernel(scaled_sum)
    with pytest.raises(exc.AutotuneError, match="scaled_sum"):
        kernel.autotune(pair())
    single = helion_ir.kernel(scaled_sum, config=BLOCKS)
    assert single.autotune(pair(), force=False) == BLOCKS


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"block_sizes": [16, 32], "colour": 3}, ["colour", "num_warps"]),
        ({"block_sizes": [16, 24]}, ["block_sizes[1]", "24", "power"]),
        ({"block_sizes": [16]}, ["block_sizes", "2"]),
        ({"block_sizes": [16, 16, 16]}, ["block_sizes", "2"]),
        ({"block_sizes": [16, 16], "num_warps": 3}, ["num_warps", "3"]),
        ({"block_sizes": [16, 16], "pid_type": "spiral"}, ["pid_type", "spiral", "persistent_blocked"]),
    ],
    ids=["unknown key", "illegal value", "too short", "too long", "illegal scalar", "unknown choice"],
)
def test_config_errors_name_key_site_and_legal_values(config: dict[str, object], names: list[str]) -> None:
    x, y = pair()
    kernel = helion_ir.kernel(scaled_sum, config=config)
    for use in (lambda: kernel(x, y), lambda: helion_ir.compile(kernel, config, (x, y))):
        with pytest.raises(exc.InvalidConfig) as caught:
            use()
        for name in [*names, "def scaled_sum", "^^^", __file__]:
            assert name in str(caught.value)
    kernel.configs = [BLOCKS]
    torch.testing.assert_close(kernel(x, y), x * 2 + y)


# The package -------------------------------------------------------------------------------------------------------


def test_host_helpers() -> None:
    assert [helion_ir.cdiv(n, 4) for n in (0, 1, 4, 5)] == [0, 1, 1, 2]
    assert [helion_ir.next_power_of_2(n) for n in (0, 1, 2, 3, 1000)] == [1, 1, 2, 4, 1024]
    assert helion_ir.runtime.get_num_sm(torch.device("cpu")) > 0
    assert set(helion_ir.__all__) <= set(dir(helion_ir))


def test_the_best_config_of_a_specialization_is_kept_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = helion_ir.kernel(scaled_sum)
    assert helion_ir.from_cache(kernel, pair()) is None
    remember(kernel.bind(pair()), BLOCKS)
    assert helion_ir.from_cache(kernel, pair()) == BLOCKS
    assert helion_ir.from_cache(helion_ir.kernel(scaled_sum), pair()) == BLOCKS
    assert helion_ir.from_cache(kernel, pair(36)) is None
    assert helion_ir.from_cache(helion_ir.kernel(apply), (torch.zeros(37, 53), torch.relu)) is None
    path = remember(kernel.bind(pair()), Config(block_sizes=[8, 8]))
    assert helion_ir.from_cache(kernel, pair()) == Config(block_sizes=[8, 8])
    path.write_text("{")
    assert helion_ir.from_cache(kernel, pair()) is None
    remember(kernel.bind(pair()), BLOCKS)
    monkeypatch.setenv("HELION_SKIP_CACHE", "1")
    assert helion_ir.from_cache(kernel, pair()) is None
