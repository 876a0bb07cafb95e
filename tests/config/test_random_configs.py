"""Every config that a kernel's search space holds compiles, and gives what PyTorch gives."""

from __future__ import annotations

from random import Random

import pytest
import torch
import torch.nn.functional as F

import helion_ir
import helion_ir.language as hl

torch.manual_seed(0)


@helion_ir.kernel(static_shapes=True)
def jensen_shannon(p, q):
    rows = p.size(0)
    out = torch.empty([rows], dtype=torch.float32, device=p.device)
    for tile in hl.tile(rows):
        p_log, q_log = F.log_softmax(p[tile, :].float(), -1), F.log_softmax(q[tile, :].float(), -1)
        mean_log = torch.logsumexp(torch.stack([p_log, q_log], -1), -1) - 0.6931471805599453
        p_part, q_part = p_log.exp() * (p_log - mean_log), q_log.exp() * (q_log - mean_log)
        out[tile] = 0.5 * (p_part.sum(-1) + q_part.sum(-1))
    return out


def jensen_shannon_reference(p, q):
    p_log, q_log = p.double().log_softmax(-1), q.double().log_softmax(-1)
    mean_log = ((p_log.exp() + q_log.exp()) / 2).log()
    return 0.5 * ((p_log.exp() * (p_log - mean_log)).sum(-1) + (q_log.exp() * (q_log - mean_log)).sum(-1))


@helion_ir.kernel(static_shapes=False)
def segment_sum(x, offsets):
    columns = x.size(1)
    segments = offsets.size(0) - 1
    out = torch.zeros([segments, columns], dtype=x.dtype, device=x.device)
    for segment, tile in hl.tile([segments, columns], block_size=[1, None]):
        total = hl.zeros([tile], dtype=torch.float32)
        for part in hl.tile(offsets[segment.begin], offsets[segment.begin + 1]):
            total = total + x[part, tile].sum(0)
        out[segment.begin, tile] = total
    return out


def segment_sum_reference(x, offsets):
    pairs = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    return torch.stack([x[begin:end].double().sum(0) for begin, end in pairs])


@helion_ir.kernel(static_shapes=True)
def two_products(x, w1, w2):
    m, n = x.size(0), w2.size(1)
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    for tile in hl.tile(m):
        acc = hl.zeros([tile, n], dtype=torch.float32)
        for hidden in hl.tile(w1.size(1)):
            acc = torch.addmm(acc, torch.relu(x[tile, :] @ w1[:, hidden]), w2[hidden, :])
        out[tile, :] = acc
    return out


def two_products_reference(x, w1, w2):
    return (x.double() @ w1.double()).relu() @ w2.double()


@helion_ir.kernel(static_shapes=True)
def complex_product(x, y):
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        (a, b), (c, d) = hl.split(x[tile, :]), hl.split(y[tile, :])
        out[tile, :] = hl.join(a * c - b * d, a * d + b * c)
    return out


def complex_product_reference(x, y):
    product = torch.view_as_complex(x.double()) * torch.view_as_complex(y.double())
    return torch.view_as_real(product)


@helion_ir.kernel(static_shapes=True)
def decayed_sums(x):
    out = torch.empty([x.size(0)], dtype=torch.float32, device=x.device)
    for rows in hl.tile(x.size(0)):
        acc = hl.zeros([rows], dtype=torch.float32)
        for columns in hl.tile(x.size(1), block_size=8):
            acc = acc * 0.5 + x[rows, columns].sum(-1)
        out[rows] = acc
    return out


def decayed_sums_reference(x):
    total = torch.zeros(x.size(0), dtype=torch.double)
    for first in range(0, x.size(1), 8):
        total = total * 0.5 + x[:, first : first + 8].double().sum(-1)
    return total


@helion_ir.kernel(static_shapes=False)
def product_of_slices(x, y):
    out = torch.empty([x.size(0), y.size(1)], dtype=torch.float32, device=x.device)
    for rows, columns in hl.tile([x.size(0), y.size(1)]):
        out[rows, columns] = x[rows, :] @ y[:, columns]
    return out


@helion_ir.kernel(static_shapes=False)
def sums_of_planes(x):
    out = torch.empty([x.size(0)], dtype=torch.float32, device=x.device)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile, :, :].sum(-1).sum(-1)
    return out


CASES = {
    "jensen_shannon": (jensen_shannon, jensen_shannon_reference, (torch.randn(9, 33), torch.randn(9, 33))),
    "segment_sum": (segment_sum, segment_sum_reference, (torch.randn(40, 19), torch.tensor([0, 3, 3, 17, 40]))),
    "two_products": (
        two_products, two_products_reference, (torch.randn(20, 24), torch.randn(24, 70), torch.randn(70, 12)),
    ),
    "decayed_sums": (decayed_sums, decayed_sums_reference, (torch.randn(9, 40),)),
    "product_of_slices": (
        product_of_slices, lambda x, y: x.double() @ y.double(), (torch.randn(9, 5), torch.randn(5, 7)),
    ),
    "sums_of_planes": (sums_of_planes, lambda x: x.double().sum((1, 2)), (torch.randn(5, 6, 7),)),
    "complex_product": (complex_product, complex_product_reference, (torch.randn(37, 2), torch.randn(37, 2))),
}  # fmt: skip


@pytest.mark.parametrize("level", ["tile", "tl"])
@pytest.mark.parametrize("name", CASES)
def test_every_legal_config_compiles_and_agrees(name, level, monkeypatch):
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    kernel, reference, args = CASES[name]
    spec, rng = kernel.bind(args).config_spec, Random(f"{name}{level}")
    expected = reference(*args)
    for _ in range(6):
        config = spec.random(rng)
        compiled = helion_ir.compile(kernel, config, args)
        assert compiled.source, config
        torch.testing.assert_close(compiled(*args).double(), expected, rtol=2e-5, atol=2e-5, msg=str(config))


@pytest.mark.parametrize("name", CASES)
def test_random_configs_compile_for_a_gpu(name):
    kernel, _, args = CASES[name]
    bound, rng = kernel.bind(args), Random(name)
    completion = bound.config_spec._completion
    for _ in range(2):
        config = bound.config_spec.random(rng)
        small = dict(config) | {"range_unroll_factors": [min(f, 2) for f in config["range_unroll_factors"]]}
        if completion._footprints[0].largest(completion._choice(0, small))[0] <= 2048:  # others take Triton long
            helion_ir.compile(kernel, small, args).binary("sm_90")
