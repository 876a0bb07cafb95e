"""Settings that change the code of a kernel, and the GPU that it is for, become attributes of the traced kernel."""

from __future__ import annotations

import re

from xdsl.dialects.builtin import StringAttr

from ..dialects.settings import record_settings
from ..dialects.targets import DEFAULT
from ..dialects.tile import KernelOp
from ..settings import Settings

_COMMENT = re.compile(r"^[ \t]*# src\[.*\n", re.MULTILINE)


def record(settings: Settings, target: str, kernel: KernelOp, *, interpreted: bool = False) -> None:
    """Record the settings that change code, and the target of the device, as attributes of a traced kernel.

    `interpreted`: the backend's own interpreter runs the emitted text, which has no atomics by descriptors.
    """
    record_settings(
        kernel,
        {
            "fast_math": settings.fast_math,
            "dtype_asserts": settings.debug_dtype_asserts,
            "no_comments": not settings.output_origin_lines,
            "no_warp_specialize": not settings.allow_warp_specialize,
            "pointer_atomics": interpreted,
            "any_integers": settings.triton_do_not_specialize,
            "strict_barriers": not settings.auto_barrier,
            "reserved_sms": settings.persistent_reserved_sms,
        },
    )
    if not settings.output_origin_lines:
        kernel.host = StringAttr(_COMMENT.sub("", kernel.host.data))
    if target != DEFAULT:
        kernel.attributes["target"] = StringAttr(target)


__all__ = ["record"]
