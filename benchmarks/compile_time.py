"""How long compiling takes, against the targets: import, bind, a new config, a config of equal structure; and binding
kernels of 2, 20 and 200 statements, which is to grow as they do.

Run: python benchmarks/compile_time.py [PART ...]   (any machine; exits 1 if a target is missed)

Without the parts of dialects/quick.py that are named.

Times are of the process's own CPU, which for single-threaded work is the wall clock's on an idle machine. The last line
says how fast the machine was meanwhile.
"""

from __future__ import annotations

import gc
import linecache
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import _path

_path.setup()

import attention as attention_example  # noqa: E402
import matmul as matmul_example  # noqa: E402
import torch  # noqa: E402
from helion_ir.dialects.quick import plain  # noqa: E402

import helion_ir  # noqa: E402

IMPORT = "import time, torch, triton; t = time.process_time(); import helion_ir; {use}; print(time.process_time() - t)"
DECORATE = "helion_ir.kernel(lambda x: x)"
"""Importing is lazy; what a first kernel needs at once counts, too."""


def milliseconds(run: Callable[[], object]) -> float:
    """The time of one call."""
    start = time.process_time()
    run()
    return (time.process_time() - start) * 1e3


def import_time(use: str, repeats: int = 3) -> float:
    """Milliseconds that importing helion_ir adds, where torch and triton are loaded; the best of fresh processes."""
    command = [sys.executable, "-P", "-c", IMPORT.format(use=use)]  # -P: not from the current directory
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(repeats)]
    return min(float(run) for run in runs) * 1e3


def bind_time(kernel: helion_ir.Kernel, args: tuple[Any, ...], repeats: int = 7) -> float:
    """Median time of a bind in a warm process: tracing and the config-free passes."""
    kernel.bind(args)
    times = []
    for _ in range(repeats):
        kernel.reset()
        times.append(milliseconds(lambda: kernel.bind(args)))
    return statistics.median(times)


def new_configs(kernel: helion_ir.Kernel, args: tuple[Any, ...], repeats: int = 30) -> Iterator[float]:
    """Times to print the code of random configs, each of a structure of its own."""
    bound, rng = kernel.bind(args), Random(0)
    configs = [bound.config_spec.random(rng) for _ in range(repeats)]
    bound.to_triton_code(bound.config_spec.default_config())
    for config in configs:
        bound.forget_lowered()
        yield milliseconds(lambda config=config: bound.to_triton_code(config))


def shared_configs(kernel: helion_ir.Kernel, args: tuple[Any, ...]) -> Iterator[float]:
    """Times to print the code of configs that share the default one's structure."""
    bound = kernel.bind(args)
    base = bound.config_spec.default_config()
    bound.to_triton_code(base)
    for warps in (1, 2, 4, 8, 16):
        for stages in (2, 3, 4, 5):
            config = helion_ir.Config.from_dict({**base, "num_warps": warps, "num_stages": stages})
            if config != base:
                yield milliseconds(lambda config=config: bound.to_triton_code(config))


def chain(length: int) -> helion_ir.Kernel:
    """A kernel with so many statements in its loop, each of which uses the one before; its source is in linecache."""
    steps = "".join(f"        v = torch.sin(v) * {number}.5 + x[tile]\n" for number in range(length))
    source = (
        "def chain(x):\n    out = torch.empty_like(x)\n    for tile in hl.tile(x.size()):\n        v = x[tile]\n"
        f"{steps}        out[tile] = v\n    return out\n"
    )
    name = f"<chain of {length}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    scope: dict[str, Any] = {"torch": torch, "hl": helion_ir.language}
    exec(compile(source, name, "exec"), scope)
    return helion_ir.kernel(scope["chain"])


def attention_args() -> tuple[Any, ...]:
    """A head dimension of 128 in bfloat16, as on a GPU."""
    q, k, v = (torch.empty(2, 4, 256, 128, dtype=torch.bfloat16) for _ in range(3))
    return q, k, v


def matmul_args() -> tuple[Any, ...]:
    """bfloat16, 1024 cubed."""
    return torch.empty(1024, 1024, dtype=torch.bfloat16), torch.empty(1024, 1024, dtype=torch.bfloat16)


def measurements() -> Iterator[tuple[str, float, float | None]]:
    """What is measured, its milliseconds, and the target if there is one."""
    yield "import helion_ir", import_time("pass"), 500
    yield "import and decorate a kernel", import_time(DECORATE), None
    kernels = {
        "attention": (attention_example.attention, attention_args(), 150),
        "matmul": (matmul_example.matmul, matmul_args(), 80),
    }
    for name, (kernel, args, limit) in kernels.items():
        gc.collect()
        yield f"bind {name}", bind_time(kernel, args), limit
        yield f"new config, {name} (median)", statistics.median(new_configs(kernel, args)), 10
        yield f"config of equal structure, {name} (median)", statistics.median(shared_configs(kernel, args)), 1
    for length in (2, 20, 200):
        gc.collect()
        yield f"bind {length} statements", bind_time(chain(length), (torch.empty(64, 64),), repeats=3), None


def main() -> int:
    """Print the table; 1 if a target is missed."""
    missed = 0
    gc.disable()  # collections fall where they fall; a compile makes little garbage in cycles
    print(f"{'':<48}{'ms':>9}{'target':>9}")
    for title, measured, target in measurements():
        verdict = "  missed" if target is not None and measured > target else ""
        missed += bool(verdict)
        print(f"{title:<48}{measured:9.2f}{'' if target is None else f'{target:9.0f}'}{verdict}")
    speed = min(timeit.repeat("for _ in range(1_000_000): pass", number=1, repeat=5)) * 1e3
    print(f"{'(a million iterations of an empty Python loop)':<48}{speed:9.2f}")
    return int(missed > 0)


if __name__ == "__main__":
    with plain(*sys.argv[1:]) if sys.argv[1:] else nullcontext():
        sys.exit(main())
