"""The benchmark of examples/distributed on a plain checkout, installed or not.

    torchrun --nproc-per-node 2 benchmarks/symm_h200x2.py [--seconds 220] [--out FOLDER] [--flush]

Needs two GPUs that reach each other's memory, torch, triton, xdsl, networkx and rich. All options are those of
examples/distributed/benchmark_gemm_one_shot_all_reduce.py.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import _path

if __name__ == "__main__":
    _path.setup()
    sys.path.insert(0, str(_path.ROOT / "examples" / "distributed"))
    sys.exit(importlib.import_module("benchmark_gemm_one_shot_all_reduce").main())
