"""Files: those that other processes never see in part, and those that errors leave."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file, through a temporary one beside it; its folder is made. Raises OSError, and leaves nothing then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def kept_file(name: str, suffix: str, text: str) -> str:
    """The path of a new temporary file with a text, for the reader of an error."""
    handle, path = tempfile.mkstemp(prefix=f"helion_ir_{name}_", suffix=suffix)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path
