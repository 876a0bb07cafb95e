"""What a kernel takes of a device is estimated: a partial config is completed to fit, what cannot fit is refused."""

from __future__ import annotations

from random import Random

import pytest
import torch
from helion_ir.backends.triton.targets import TARGETS
from helion_ir.dialects.targets import MAX_LANES
from helion_ir.passes.schedule import kernels
from triton.runtime.errors import OutOfResources

import helion_ir
import helion_ir.language as hl
from helion_ir import exc
from helion_ir.space.completion import Completion
from helion_ir.space.footprint import Footprint

kernel = helion_ir.kernel(autotune_effort="none")


@kernel
def matmul(x, y):
    out = torch.empty([x.size(0), y.size(1)], dtype=torch.float32, device=x.device)
    for m, n in hl.tile(out.size()):
        acc = hl.zeros([m, n], dtype=torch.float32)
        for k in hl.tile(x.size(1)):
            acc = hl.dot(x[m, k], y[k, n], acc=acc)
        out[m, n] = acc
    return out


@kernel
def two_products(x, w1, w2):
    m, n = x.size(0), w2.size(1)
    out = torch.empty([m, n], dtype=torch.float32, device=x.device)
    for tile in hl.tile(m):
        acc = hl.zeros([tile, n], dtype=torch.float32)
        for hidden in hl.tile(w1.size(1)):
            acc = torch.addmm(acc, torch.relu(x[tile, :] @ w1[:, hidden]), w2[hidden, :])
        out[tile, :] = acc
    return out


@helion_ir.kernel(static_shapes=False, autotune_effort="none")
def sums_of_sums(x):
    out = torch.empty(x.size(0), device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = x[t, :, :].sum(-1).sum(-1)
    return out


@kernel
def planes(x):
    out = torch.empty(x.size(0), device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = x[t, :, :].amax(-1).sum(-1)
    return out


def spec(*shape, dtype=torch.float32):
    return helion_ir.TensorSpec(list(shape), dtype)


def product(dtype=torch.float32):
    return spec(1024, 512, dtype=dtype), spec(512, 1024, dtype=dtype)


LIMIT = TARGETS["sm_90"].shared_bytes


@pytest.mark.parametrize(
    ("given", "stages"),
    [
        ({"block_sizes": [128, 128, 128]}, 1),
        ({"block_sizes": [128, 128, 64]}, 3),
        ({"block_sizes": [128, 256, 64], "indexing": "tensor_descriptor"}, 1),
        ({"block_sizes": [64, 64, 64], "num_warps": 8}, 3),
    ],
)
def test_open_stages_are_as_many_as_fit(given, stages):
    config = matmul.bind(product()).config_spec.normalize(given)
    assert config["num_stages"] == stages
    assert all(config[key] == value for key, value in given.items() if key != "indexing")


def test_a_completed_config_fits():
    compiled = helion_ir.compile(matmul, {"block_sizes": [64, 128, 128]}, product())
    assert compiled.config["num_stages"] == 2
    assert LIMIT - 64 * 1024 < compiled.resources("sm_90").shared_bytes <= LIMIT


def test_open_blocks_shrink_for_given_stages():
    config = matmul.bind(product()).config_spec.normalize({"num_stages": 8})
    assert (config["num_stages"], config["block_sizes"]) == (8, [128, 64, 32])


def test_open_warps_grow_with_given_blocks():
    find = matmul.bind(product(torch.bfloat16)).config_spec.normalize
    assert find({"block_sizes": [256, 256, 32]})["num_warps"] == 8  # 16 leave too few registers
    assert find({"block_sizes": [256, 256, 32], "num_warps": 4})["num_warps"] == 4


def test_what_was_given_and_cannot_fit_is_refused_in_bytes():
    given = {"block_sizes": [128, 128, 128], "num_stages": 3}
    with pytest.raises(exc.InvalidConfig) as raised:
        helion_ir.compile(matmul, given, product())
    for part in ("393216 bytes of shared memory", "x [128×128] of 4 bytes = 65536 bytes × 3", "sm_90 has 232448"):
        assert part in str(raised.value)
    assert "test_resources.py" in str(raised.value)
    on_cpu = torch.zeros(16, 16), torch.zeros(16, 16)  # an interpreter runs it
    assert helion_ir.compile(matmul, given, on_cpu).config["num_stages"] == 3


def test_chunks_of_several_axes_share_the_lanes_of_a_tensor():
    x = torch.randn(5, 6, 7)
    find = sums_of_sums.bind((x,)).config_spec
    assert find.default_config()["reduction_loops"] == [256, 128]
    assert find.normalize({"block_sizes": [8]})["reduction_loops"] == [256, 128]
    assert find.normalize({"block_sizes": [1], "reduction_loops": [2048]})["reduction_loops"] == [2048, 16]
    with pytest.raises(exc.InvalidConfig, match="makes a tensor of 4194304 elements"):
        find.normalize({"block_sizes": [1], "reduction_loops": [2048, 2048]})
    torch.testing.assert_close(sums_of_sums(x), x.sum((1, 2)))


def test_planes_that_are_too_large_are_rolled_by_default():
    find = planes.bind((spec(8, 3000, 4000),)).config_spec
    config = find.default_config()
    assert find.normalize(config) == config
    assert None not in config["reduction_loops"]
    assert planes.bind((spec(8, 30, 40),)).config_spec.default_config()["reduction_loops"] == [None, None]


ESTIMATED = {
    "float32": (matmul, product(), [64, 32, 64]),
    "float32, few rows": (matmul, product(), [16, 64, 64]),
    "bfloat16": (matmul, product(torch.bfloat16), [128, 64, 64]),
    "float8": (matmul, product(torch.float8_e5m2), [128, 128, 64]),
    "two products": (
        two_products,
        tuple(spec(*shape, dtype=torch.bfloat16) for shape in ((256, 64), (64, 512), (512, 64))),
        [64, 64],
    ),
}  # fmt: skip


@pytest.mark.parametrize("indexing", ["pointer", "tensor_descriptor"])
@pytest.mark.parametrize("name", ESTIMATED)
def test_the_estimate_bounds_what_triton_takes(name, indexing):
    function, args, blocks = ESTIMATED[name]
    bound = function.bind(args)
    footprint = Footprint(next(kernels(bound.tile_module)))
    for stages, target in ((3, "sm_90"), (2, "sm_80")):
        config = {"block_sizes": blocks, "num_stages": stages, "indexing": indexing, "num_warps": 4}
        full = bound.config_spec.normalize(config)
        choice = Completion(bound.tile_module, TARGETS, lambda *_: True)._choice(0, full)
        taken = helion_ir.compile(function, config, args).resources(target).shared_bytes
        gpu = TARGETS[target]
        assert footprint.shared(choice, gpu, sure=True).size <= taken, (target, stages)
        assert taken <= max(footprint.shared(choice, gpu).size, 8192), (target, stages)


def test_every_candidate_of_a_search_fits():
    find, rng = matmul.bind(product()).config_spec, Random(0)
    completion = find._completion
    for _ in range(200):
        config = find.random(rng)
        choice = completion._choice(0, config)
        footprint = completion._footprints[0]
        assert footprint.shared(choice, completion.gpu).size <= LIMIT
        assert footprint.largest(choice)[0] <= MAX_LANES
        assert find.normalize(config) == config


def test_a_launch_that_does_not_fit_says_which_blocks_take_what():
    bound = matmul.bind((torch.zeros(16, 160), torch.zeros(160, 16)))
    config = bound.config_spec.normalize({"block_sizes": [128, 128, 128], "num_stages": 3})
    error = bound._explain_launch(config, OutOfResources(393216, LIMIT, "shared memory"))
    assert isinstance(error, exc.TritonError)
    for part in ("Required: 393216, Hardware limit: 232448", "x [128×128] of 4 bytes = 65536 bytes × 3"):
        assert part in str(error)


def test_products_have_the_registers_that_tensor_cores_cannot_spill():
    find = matmul.bind(product(torch.bfloat16)).config_spec
    for given in ({"num_warps": 16, "block_sizes": [256, 256, 32]}, {"maxnreg": 64, "block_sizes": [128, 128, 32]}):
        with pytest.raises(exc.InvalidConfig, match="its part of the products needs"):
            find.normalize({"num_warps": 4, **given})
    assert find.normalize({"num_warps": 4, "maxnreg": 96, "block_sizes": [64, 128, 32]})["maxnreg"] == 96


def test_registers_of_all_threads_are_there():
    find = matmul.bind(product(torch.bfloat16)).config_spec
    given = {"block_sizes": [16, 16, 32]}
    with pytest.raises(exc.InvalidConfig, match="maxnreg=96 with num_warps=32 lets 1024 threads take 98304 registers"):
        find.normalize({**given, "num_warps": 32, "maxnreg": 96})
    assert find.normalize({**given, "num_warps": 8, "maxnreg": 255})["maxnreg"] == 255
    assert find.normalize({**given, "maxnreg": 255})["num_warps"] == 4
    repaired = find.repair({**find.default_config(), **given, "num_warps": 32, "maxnreg": 96})
    assert (repaired["num_warps"], repaired.config.get("maxnreg")) == (32, None)


def test_results_of_products_pass_through_shared_memory():
    find = matmul.bind(product(torch.bfloat16)).config_spec
    assert find.repair({**find.default_config(), "block_sizes": [256, 256, 32]})["block_sizes"] == [128, 256, 32]
    assert find.normalize({"block_sizes": [256, 256, 64]})["block_sizes"] == [256, 256, 64]


def test_a_loop_of_one_step_has_no_stages() -> None:
    """Triton takes such a loop away; the whole of a dim in one block is what a small problem is given."""
    config = {"block_sizes": [128, 128, 128], "num_stages": 4, "num_warps": 8}

    def factors(k: int) -> tuple[helion_ir.TensorSpec, helion_ir.TensorSpec]:
        return helion_ir.TensorSpec([256, k], torch.float32), helion_ir.TensorSpec([k, 512], torch.float32)

    assert helion_ir.compile(matmul, config, factors(128)).resources("sm_90").shared_bytes <= 2 * 65536
    with pytest.raises(exc.InvalidConfig, match="bytes of shared memory"):
        helion_ir.compile(matmul, config, factors(256))
