"""Every example of examples/*/: against its reference on the CPU at both levels and as Triton text, and compiled."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from ..support.example_files import all_examples, check, compile_for, correct
from ..support.executions import environment

NAMES = list(all_examples())
TARGETS = ("sm_90", "gfx942")
EVERY_TARGET = os.environ.get("EVERY_TARGET") == "1"


@pytest.fixture(scope="module")
def interpreting() -> Iterator[ProcessPoolExecutor]:
    """A process in which Triton interprets."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=correct) as pool:
        with environment(TRITON_INTERPRET="1", OMP_NUM_THREADS="1"):
            pool.submit(correct).result()
        yield pool


@pytest.mark.filterwarnings("ignore:")
@pytest.mark.parametrize("level", ["tile", "tl"])
@pytest.mark.parametrize("name", NAMES)
def test_reference_interpreter(name: str, level: str) -> None:
    check(name, level)


@pytest.mark.parametrize("name", NAMES)
def test_triton_interpreter(name: str, interpreting: ProcessPoolExecutor) -> None:
    interpreting.submit(check, name).result()


@pytest.mark.parametrize("name", NAMES)
def test_compiles(name: str) -> None:
    """For GPUs that are not here: one of NVIDIA or of AMD in turn, both with EVERY_TARGET=1 (`make examples`)."""
    for target in TARGETS if EVERY_TARGET else [TARGETS[NAMES.index(name) % 2]]:
        compile_for(name, target)
