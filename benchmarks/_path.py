"""Makes `helion_ir`, `examples` and `tests` importable from a plain checkout, installed or not.

`dialects/`, `passes/` and `backends/` lie beside `helion_ir/` in the checkout and inside it once installed. Without an
installation a folder of links has that shape; child processes find it through PYTHONPATH.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BESIDE = ("dialects", "passes", "backends")


def link_tree(folder: Path) -> Path:
    """Fill `folder` with links that show the checkout as the installed package; returns `folder`."""
    package = folder / "helion_ir"
    package.mkdir(parents=True)
    for entry in (ROOT / "helion_ir").iterdir():
        if entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    for name in BESIDE:
        (package / name).symlink_to(ROOT / name)
    return folder


def setup() -> None:
    """Put the package (unless it is installed), the examples and the checkout itself on the import path."""
    added = [str(ROOT / "examples"), str(ROOT / "benchmarks"), str(ROOT)]
    try:
        importlib.import_module("helion_ir.dialects.tile")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("helion_ir"):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "helion_ir"]:
            del sys.modules[name]
        added.insert(0, str(link_tree(Path(tempfile.mkdtemp(prefix="helion_ir_tree_")))))
    sys.path[:0] = added
    old = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*added, *([old] if old else [])])
