"""Import emitted source from a file, as `triton.jit` reads the source of its functions back."""

from __future__ import annotations

import getpass
import hashlib
import importlib.util
import linecache
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from ..files import write_whole

_loaded: dict[str, ModuleType] = {}


def cache_dir() -> Path:
    """Where emitted modules are kept: `HELION_CACHE_DIR`, else a folder of this user's below the temporary one."""
    configured = os.environ.get("HELION_CACHE_DIR")
    return Path(configured) if configured else Path(tempfile.gettempdir()) / f"helion_ir_{_user()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as containers have them
        return str(os.getuid())


def source_path(source: str, name: str) -> Path:
    """The file of a source text; its name holds a hash of its content."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    return cache_dir() / "modules" / f"{name}_{digest}.py"


def _keep(path: Path, source: str) -> bool:
    """Whether the file holds the text: it is written if it does not, and where that can be."""
    with suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == source:
            return True
    try:
        write_whole(path, source)
    except OSError:
        return False
    return True


def load_source(source: str, name: str) -> ModuleType:
    """Import emitted source as a module.

    Where no file can be written it is imported from memory: only tracebacks of other processes miss the file.

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
        if _keep(path, source):
            spec.loader.exec_module(module)
        else:
            linecache.cache[key] = (len(source), None, source.splitlines(keepends=True), key)
            exec(compile(source, key, "exec"), vars(module))
    except BaseException:
        del sys.modules[spec.name]
        raise
    _loaded[key] = module
    return module
