"""Import emitted source from a file, as `triton.jit` reads the source of its functions back."""

from __future__ import annotations

import getpass
import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

_loaded: dict[str, ModuleType] = {}


def cache_dir() -> Path:
    """Where emitted modules are kept: `HELION_CACHE_DIR`, else a folder of this user's below the temporary one."""
    configured = os.environ.get("HELION_CACHE_DIR")
    return Path(configured) if configured else Path(tempfile.gettempdir()) / f"helion_ir_{getpass.getuser()}"


def source_path(source: str, name: str) -> Path:
    """The file of a source text, written if it is not there; its name holds a hash of its content."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    path = cache_dir() / "modules" / f"{name}_{digest}.py"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(descriptor, "w") as file:
            file.write(source)
        os.replace(temporary, path)
    return path


def load_source(source: str, name: str) -> ModuleType:
    """Import emitted source as a module.

    Args:
        source: a complete Python module.
        name: an identifier for its file name; modules of equal source are the same object.
    """
    path = source_path(source, name)
    key = str(path)
    if (module := _loaded.get(key)) is not None:
        return module
    spec = importlib.util.spec_from_file_location(f"helion_ir_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    _loaded[key] = module
    return module
