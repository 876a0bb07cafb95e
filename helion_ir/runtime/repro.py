"""Scripts that recreate a call: the emitted module, arguments like the user's, and the call."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Any

import torch

from ..exc import InvalidAPIUsage
from ..specialization.tensor_spec import TensorSpec

_SPELLED = (int, float, complex, str, NoneType, torch.dtype)
"""Types whose `repr` recreates a value."""


def call_script(source: str, name: str, args: Sequence[object], keyword_only: Sequence[str] = ()) -> str:
    """`source` with a main part that makes arguments (described by `describe`) and calls the host function `name`.

    The last arguments are those of the parameters `keyword_only`. Raises `InvalidAPIUsage` for arguments that cannot
    be spelled: functions, modules, other objects.
    """
    lines = [f"    arg{number} = {_spell(arg)}\n" for number, arg in enumerate(args)]
    heads = [""] * (len(args) - len(keyword_only)) + [f"{keyword}=" for keyword in keyword_only]
    call = f"    print({name}({', '.join(f'{head}arg{number}' for number, head in enumerate(heads))}))\n"
    main = ["\n\ndef main():\n    torch.manual_seed(0)\n", *lines, call, '\n\nif __name__ == "__main__":\n    main()\n']
    return source.rstrip("\n") + "\n" + "".join(main)


def _spell(value: Any) -> str:
    if isinstance(value, TensorSpec):
        return _spell_tensor(value)
    if isinstance(value, torch.device):
        return f"torch.{value!r}"
    if isinstance(value, float) and value != value:
        return 'float("nan")'
    if isinstance(value, float) and value in (float("inf"), -float("inf")):
        return f'float("{value}")'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_spell(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return "(" + "".join(f"{_spell(item)}, " for item in value).rstrip() + ")"
    if isinstance(value, list):
        return "[" + ", ".join(map(_spell, value)) + "]"
    if isinstance(value, _SPELLED):
        return repr(value)
    raise InvalidAPIUsage(f"a script cannot recreate the argument {value!r}")


def _spell_tensor(spec: TensorSpec) -> str:
    """Random floats; zeros for integers, which are always valid as indices."""
    size, strides, where = tuple(spec.shape), spec.strides, f"dtype={spec.dtype}, device={str(spec.device)!r}"
    empty = f"torch.empty_strided({size}, {strides}, {where})"
    if spec.dtype.is_floating_point:
        return f"{empty}.copy_(torch.randn({size}, device={str(spec.device)!r}))"
    return f"{empty}.zero_()"
