"""What a user's settings mean for the code of a kernel, as attribute `settings` of `tile.kernel` and `tl.func`.

A setting at its default has no entry, so most kernels have no such attribute:

```mlir
settings = {fast_math, dtype_asserts, no_comments, no_warp_specialize, any_integers, strict_barriers, pointer_atomics,
            reserved_sms = #builtin.int<4>}
```
"""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import DictionaryAttr, IntAttr, UnitAttr
from xdsl.ir import Attribute, Operation

SETTINGS = "settings"
NAMES = frozenset(
    (
        "fast_math",
        "dtype_asserts",
        "no_comments",
        "no_warp_specialize",
        "any_integers",
        "pointer_atomics",
        "strict_barriers",
        "reserved_sms",
    )
)


def record_settings(kernel: Operation, entries: Mapping[str, bool | int]) -> None:
    """Set the entries that differ from the default: flags that are True, numbers that are not 0."""
    assert entries.keys() <= NAMES
    said: dict[str, Attribute] = {
        name: UnitAttr() if value is True else IntAttr(value) for name, value in entries.items() if value
    }
    if said:
        kernel.attributes[SETTINGS] = DictionaryAttr(said)


def setting(op: Operation, name: str) -> int:
    """The number that an entry has; 1 for a flag that is set, 0 where there is no entry."""
    assert name in NAMES
    entries = op.attributes.get(SETTINGS)
    value = entries.data.get(name) if isinstance(entries, DictionaryAttr) else None
    return value.data if isinstance(value, IntAttr) else int(value is not None)
