"""Finds what the files under examples/ list in `EXAMPLES`, and runs it in the executions that need no GPU."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import helion_ir
from helion_ir.testing import Example

from .executions import environment, poisoned_allocations
from .triton_patches import correct_interpreter

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples"
FILES = sorted(path for path in FOLDER.rglob("*.py") if "EXAMPLES = [" in path.read_text(encoding="utf-8"))


@cache
def load(path: Path) -> ModuleType:
    """The module of an example file, under a name that tells folders apart."""
    name = "examples." + ".".join(path.relative_to(FOLDER).with_suffix("").parts)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def all_examples() -> dict[str, Example]:
    """The examples in folders by folder/file:title; those beside the folders have a matrix of their own."""
    return {
        f"{path.relative_to(FOLDER).with_suffix('')}:{example.title}": example
        for path in FILES
        if path.parent != FOLDER
        for example in load(path).EXAMPLES
    }


def check(name: str, level: str = "tl") -> float:
    """The largest error of an example on the CPU; a process in which Triton interprets runs the emitted text."""
    with environment(HELION_INTERPRET_LEVEL=level), poisoned_allocations():
        return all_examples()[name].check("cpu")


def correct() -> None:
    """Prepare a process that interprets Triton."""
    correct_interpreter()


@contextmanager
def recorded_calls() -> Iterator[list[tuple[Any, tuple[object, ...]]]]:
    """The kernels that are called meanwhile, with their arguments."""
    calls: list[tuple[Any, tuple[object, ...]]] = []
    call = helion_ir.Kernel.__call__

    def record(kernel: Any, *args: object, **kwargs: object) -> Any:
        calls.append((kernel, kernel.normalize_args(*args, **kwargs)))
        return call(kernel, *args, **kwargs)

    helion_ir.Kernel.__call__ = record
    try:
        yield calls
    finally:
        helion_ir.Kernel.__call__ = call


def compile_for(name: str, target: str) -> None:
    """Compile every kernel that an example calls, with its default config."""
    example = all_examples()[name]
    args = example.make("cpu")
    if example.config is not None:
        helion_ir.compile(example.run, example.config, args).binary(target)
        return
    with recorded_calls() as calls:
        example.run(*args)
    assert calls, f"{name} calls no kernel"
    for kernel, given in calls:
        config = kernel.configs[0] if kernel.configs else kernel.bind(given).config_spec.default_config()
        helion_ir.compile(kernel, config, given).binary(target)
