"""Kernels that are methods of a class: what `instance.kernel` gives."""

from __future__ import annotations

from collections.abc import Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ..config import Config
    from ..runtime.specialized import ConfigLike, SpecializedKernel


class KernelMethod:
    """A kernel with its first argument, the instance, given; everything else is the kernel's."""

    def __init__(self, kernel: Any, instance: object) -> None:  # a Kernel, which makes these
        self.__func__, self.__self__ = kernel, instance

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func__, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KernelMethod):
            return False
        return other.__func__ is self.__func__ and other.__self__ is self.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    @property
    def __device_function__(self) -> MethodType:
        """What a call in device code of another kernel runs."""
        return MethodType(self.__func__.fn, self.__self__)

    def normalize_args(self, *args: object, **kwargs: object) -> tuple[object, ...]:
        """See `Kernel.normalize_args`; the instance comes first."""
        return self.__func__.normalize_args(self.__self__, *args, **kwargs)

    def specialization_key(self, args: Sequence[object]) -> Hashable:
        """See `Kernel.specialization_key`."""
        return self.__func__.specialization_key((self.__self__, *args))

    def bind(self, args: Sequence[object]) -> SpecializedKernel:
        """See `Kernel.bind`; what is bound takes the instance as its first argument."""
        return self.__func__.bind((self.__self__, *args))

    def autotune(self, args: Sequence[object], force: bool = True, **options: object) -> Config:
        """See `Kernel.autotune`."""
        return self.__func__.autotune((self.__self__, *args), force=force, **options)

    def to_triton_code(self, args: Sequence[object], config: ConfigLike | None = None) -> str:
        """See `Kernel.to_triton_code`."""
        return self.__func__.to_triton_code((self.__self__, *args), config)


__all__ = ["KernelMethod"]
