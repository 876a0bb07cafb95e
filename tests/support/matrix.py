"""The examples' test matrix: kernels, arguments, dtypes and configs, and what counts as equal.

A case is plain data, so that it can be sent to another process: one in which Triton's interpreter was switched on
before Triton was imported, or one that holds a GPU. `executions.py` runs a case in one of the four executions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

Config = Mapping[str, Any]
Arguments = Mapping[str, Any]

DTYPES = ("float32", "float16", "bfloat16")
EXECUTIONS = ("tile", "tl", "triton")
"""The executions that need no GPU; the fourth one, `gpu`, is run by benchmarks/gpu_check.py."""


@dataclass(frozen=True)
class Tolerance:
    """Looser bounds than those of `torch.testing.assert_close` for the dtype, and why."""

    rtol: float
    atol: float
    reason: str


PROBABILITIES = "probabilities are rounded to the operands' dtype before they enter the second product"


@dataclass(frozen=True)
class Example:
    """A kernel of an example module, the keyword arguments of its `example_args`, and the configs it is tried under."""

    module: str
    kernel: str
    arguments: tuple[Arguments, ...]
    configs: Callable[[Arguments], list[Config]]
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One cell of the matrix, apart from the execution."""

    example: str
    arguments: Arguments
    dtype: str
    static_shapes: bool
    config: Config

    @property
    def id(self) -> str:
        """A short name, unique within the matrix."""
        shapes = "static" if self.static_shapes else "dynamic"
        return "-".join([self.example, *map(_word, self.arguments.values()), self.dtype, shapes, _word(self.config)])


def _word(value: object) -> str:
    """A value of arguments or configs, as a part of a test's name."""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_word(item)}" for name, item in value.items()) or "default"
    if isinstance(value, list | tuple):
        return "(" + " ".join(map(_word, value)) + ")"
    return str(value)


def add_configs(arguments: Arguments) -> list[Config]:
    """For any rank: a scalar is the block size of every dimension; a launch grid has three dimensions at most.

    Blocks of four dimensions are small: Triton takes minutes to compile a block of 32 × 32 × 32 × 32.
    """
    rank = max(len(shape) for shape in cast("Sequence[Sequence[int]]", arguments["shapes"]))
    middle, large = (16, 32) if rank <= 3 else (4, 8)
    return [
        {},
        {"block_sizes": 8},
        {"block_sizes": middle, "num_warps": 2},
        {"block_sizes": large, "num_warps": 8, "pid_type": "xyz" if rank <= 3 else "flat"},
        {"block_sizes": middle, "pid_type": "persistent_blocked"},
        {"block_sizes": middle, "pid_type": "persistent_interleaved", "num_sm_multiplier": 2},
        {"block_sizes": middle, "indexing": "tensor_descriptor"},
        {"block_sizes": large, "indexing": ["tensor_descriptor", "pointer", "pointer"], "num_warps": 4},
    ]


def matmul_configs(arguments: Arguments) -> list[Config]:
    """Blocks of m, n and k."""
    return [
        {},
        {"block_sizes": [16, 16, 16], "num_warps": 2},
        {"block_sizes": [32, 64, 32], "l2_groupings": [4]},
        {"block_sizes": [64, 32, 64], "num_warps": 8, "num_stages": 3, "pid_type": "xyz"},
        {"block_sizes": [64, 16, 128], "pid_type": "persistent_blocked"},
        {"block_sizes": [32, 32, 64], "pid_type": "persistent_interleaved", "l2_groupings": [2], "num_stages": 2},
        {"block_sizes": [64, 64, 64], "indexing": "tensor_descriptor", "num_stages": 3},
        {"block_sizes": [128, 64, 32], "indexing": "tensor_descriptor", "pid_type": "persistent_interleaved"},
        {"block_sizes": [64, 128, 32], "indexing": ["pointer", "tensor_descriptor", "pointer"], "num_warps": 8},
    ]


def row_configs(arguments: Arguments) -> list[Config]:
    """For kernels over whole rows, one block size; rows that are long enough are also taken in pieces."""
    configs: list[Config] = [
        {},
        {"block_sizes": [1], "num_warps": 8},
        {"block_sizes": [4], "num_warps": 2},
        {"block_sizes": [8], "indexing": "tensor_descriptor"},
        {"block_sizes": [2], "pid_type": "persistent_blocked"},
        {"block_sizes": [4], "pid_type": "persistent_interleaved", "num_sm_multiplier": 2},
    ]
    if arguments["sizes"][1] > 64:
        configs += [
            {"block_sizes": [4], "reduction_loops": [64]},
            {"block_sizes": [16], "reduction_loops": [32], "num_warps": 8, "pid_type": "persistent_interleaved"},
            {"block_sizes": [8], "reduction_loops": [64], "indexing": "tensor_descriptor", "num_stages": 3},
        ]
    return configs


def online_configs(arguments: Arguments) -> list[Config]:
    """Blocks of rows, and of columns in either pass."""
    return [
        {},
        {"block_sizes": [1, 256, 128], "num_warps": 8},
        {"block_sizes": [8, 64, 64], "num_warps": 2},
        {"block_sizes": [16, 32, 128], "num_stages": 2},
        {"block_sizes": [4, 128, 64], "pid_type": "persistent_blocked"},
        {"block_sizes": [8, 128, 256], "pid_type": "persistent_interleaved", "num_sm_multiplier": 2},
        {"block_sizes": [8, 64, 64], "indexing": "tensor_descriptor"},
        {"block_sizes": [16, 64, 32], "indexing": ["pointer", "tensor_descriptor", "pointer"], "num_warps": 8},
    ]


def attention_configs(arguments: Arguments) -> list[Config]:
    """Blocks of queries and of keys; the causal form has a second loop over keys."""

    def blocks(m: int, n: int) -> dict[str, Any]:
        return {"block_sizes": [m, n, n] if arguments.get("causal") else [m, n]}

    return [
        {},
        {**blocks(16, 16), "num_warps": 2},
        {**blocks(64, 32), "num_stages": 2, "pid_type": "xyz"},
        {**blocks(128, 64), "num_warps": 8, "num_stages": 2},
        {**blocks(32, 64), "pid_type": "persistent_blocked"},
        {**blocks(64, 64), "pid_type": "persistent_interleaved", "num_stages": 2},
        {**blocks(64, 64), "indexing": "tensor_descriptor", "num_stages": 3},
        {**blocks(128, 32), "indexing": "tensor_descriptor", "num_warps": 8, "pid_type": "persistent_interleaved"},
        {
            **blocks(64, 128),
            "indexing": ["pointer", "tensor_descriptor", "tensor_descriptor"],
            "num_warps": 4,
            "num_stages": 1,  # with more, float32 keys and values are more than any device has
        },
    ]


def embedding_configs(arguments: Arguments) -> list[Config]:
    """Blocks of ids and of columns."""
    return [
        {},
        {"block_sizes": [1, 256], "num_warps": 2},
        {"block_sizes": [16, 64], "num_warps": 8},
        {"block_sizes": [32, 32], "num_stages": 2},
        {"block_sizes": [16, 16], "pid_type": "persistent_blocked"},
        {"block_sizes": [8, 128], "pid_type": "persistent_interleaved", "num_sm_multiplier": 2},
        {"block_sizes": [16, 64], "indexing": "tensor_descriptor"},
        {"block_sizes": [16, 32], "l2_groupings": [4], "num_warps": 4},
    ]


ROWS = tuple({"sizes": sizes} for sizes in ((1, 1), (127, 1000), (3, 127), (5, 4097), (1000, 3), (2, 1), (64, 1024)))
HALF_ATTENTION = {"float16": Tolerance(1e-3, 1e-3, PROBABILITIES), "bfloat16": Tolerance(1.6e-2, 1e-2, PROBABILITIES)}

MATRIX: dict[str, Example] = {
    "add": Example(
        "add",
        "add",
        tuple(
            {"shapes": shapes}
            for shapes in (
                ((1,), (1,)), ((3, 127), (127,)), ((4097,), (4097,)), ((3, 1, 127), (129, 1)), ((127, 300), (1,)),
                ((1, 3), (1000, 1)), ((2, 3, 1, 5), (3, 7, 1)),
            )
        ),
        add_configs,
    ),
    "matmul": Example(
        "matmul",
        "matmul",
        tuple(
            {"sizes": sizes}
            for sizes in (
                (1, 1, 1), (127, 129, 100), (3, 1, 127), (1, 1000, 3), (1000, 33, 127), (17, 4097, 5), (127, 3, 4097),
                (128, 128, 64),
            )
        ),
        matmul_configs,
    ),
    "matmul_epilogue": Example(
        "matmul",
        "matmul",
        tuple({"sizes": sizes, "bias": True} for sizes in ((127, 129, 100), (3, 1, 127), (33, 1000, 64))),
        matmul_configs,
    ),
    "softmax": Example("softmax", "softmax", ROWS, row_configs),
    "softmax_online": Example("softmax", "softmax_online", ROWS, online_configs),
    "layer_norm": Example("layer_norm", "layer_norm", ROWS, row_configs),
    "attention": Example(
        "attention",
        "attention",
        tuple(
            {"sizes": sizes, "causal": causal}
            for sizes, causal in (
                ((1, 1, 1, 16), False), ((2, 1, 127, 64), True), ((1, 2, 127, 64), False), ((1, 1, 3, 32), True),
                ((1, 1, 1000, 16), False), ((1, 1, 257, 80), True), ((1, 3, 128, 128), False), ((1, 1, 256, 64), True),
            )
        ),
        attention_configs,
        HALF_ATTENTION,
    ),
    "embedding": Example(
        "embedding",
        "embedding",
        tuple(
            {"ids_shape": ids, "table_shape": table}
            for ids, table in (
                ((1,), (1, 1)), ((3, 127), (1000, 129)), ((1000,), (3, 127)), ((2, 3, 5), (50, 4097)), ((127,), (7, 1)),
                ((64,), (100, 128)),
            )
        ),
        embedding_configs,
    ),
    "cross_entropy": Example("cross_entropy", "cross_entropy", ROWS, row_configs),
}  # fmt: skip


def every_case() -> Iterator[Case]:
    """The full product, which the GPU runs."""
    for name, example in MATRIX.items():
        for arguments in example.arguments:
            for dtype, static, config in itertools.product(DTYPES, (True, False), example.configs(arguments)):
                yield Case(name, arguments, dtype, static, config)


def covering_cases() -> Iterator[Case]:
    """What the CPU runs: each size in two combinations, so that per example each dtype meets both kinds of shapes.

    Configs take turns, too; every size meets the default one in some example and dtype.
    """
    combinations = [(dtype, static) for static in (True, False) for dtype in DTYPES]
    for name, example in MATRIX.items():
        for number, arguments in enumerate(example.arguments):
            configs = example.configs(arguments)
            for turn in range(2):
                dtype, static = combinations[(2 * number + 3 * turn) % 6 if turn else (number % 6)]
                yield Case(name, arguments, dtype, static, configs[(2 * number + turn) % len(configs)])


REPRESENTATIVE: dict[str, Arguments] = {
    "add": {"shapes": ((37, 127), (127,))},
    "matmul": {"sizes": (67, 69, 100)},
    "matmul_epilogue": {"sizes": (67, 69, 100), "bias": True},
    "softmax": {"sizes": (19, 200)},
    "softmax_online": {"sizes": (19, 200)},
    "layer_norm": {"sizes": (19, 200)},
    "attention": {"sizes": (1, 2, 127, 64), "causal": True},
    "embedding": {"ids_shape": (3, 19), "table_shape": (1000, 129)},
    "cross_entropy": {"sizes": (19, 200)},
}
"""Per example, small arguments that meet masks, several blocks and several pieces of a row."""
