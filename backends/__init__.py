"""The backends, by name: `backends/<name>/`, whose `backend.py` defines `BACKEND`, or an object that is registered.

Nothing of a backend is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from .. import exc
from .base import Backend

_REGISTERED: dict[str, Callable[[], Backend]] = {}


def names() -> list[str]:
    """The backends that there are."""
    folders = (path.parent.name for path in Path(__file__).parent.glob("*/backend.py"))
    return sorted({*folders, *_REGISTERED})


def get(name: str) -> Backend:
    """The backend of that name. Raises `BackendUnsupported`, which lists the known ones."""
    if name in _REGISTERED:
        return _REGISTERED[name]()
    if name not in names():
        raise exc.BackendUnsupported(f"there is no backend {name!r}; the backends are {', '.join(names())}")
    return import_module(f".{name}.backend", __package__).BACKEND


def default() -> Backend:
    """The backend of kernels that name none."""
    return get("triton")


def register(name: str, factory: Callable[[], Backend]) -> None:
    """Add a backend under a name; `factory` is called whenever it is asked for. ValueError for a name that is taken."""
    if name in names():
        raise ValueError(f"there is a backend {name!r} already")
    _REGISTERED[name] = factory


def unregister(name: str) -> None:
    """Drop a registered backend; kernels that are bound for it keep it."""
    del _REGISTERED[name]


@contextmanager
def registered(backend: Backend) -> Iterator[Backend]:
    """`backend` is there within the block."""
    register(backend.name, lambda: backend)
    try:
        yield backend
    finally:
        unregister(backend.name)


__all__ = ["Backend", "default", "get", "names", "register", "registered", "unregister"]
