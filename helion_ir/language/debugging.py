"""What shows the values of a kernel while it runs."""

from __future__ import annotations

from typing import Any

from .api import api


@api()
def device_print(prefix: str, *values: Any) -> None:
    """Print values from the device, after a text of printable ASCII: `print(prefix, *values)` in device code.

    Every program prints every lane that it holds, those past a tile's end, too. A tile stands for its positions.
    """
    raise NotImplementedError
