"""`Config`: a frozen mapping from config keys to what the schedule passes should do.

A `Config` knows no legal values: any key and any JSON-like value may stand in it. `ConfigSpec.normalize`
(`helion_ir.pipeline`) checks it against a kernel.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Protocol, Self

from .exc import InvalidConfig

SHORTHANDS: dict[str, str] = {
    "block_size": "block_sizes",
    "loop_order": "loop_orders",
    "flatten_loop": "flatten_loops",
    "l2_grouping": "l2_groupings",
    "reduction_loop": "reduction_loops",
    "range_unroll_factor": "range_unroll_factors",
    "range_num_stage": "range_num_stages",
    "range_multi_buffer": "range_multi_buffers",
    "range_flatten": "range_flattens",
    "range_warp_specialize": "range_warp_specializes",
    "static_range": "static_ranges",
    "load_eviction_policy": "load_eviction_policies",
}
"""Singular spelling → key whose list it is one entry of (or the list itself)."""


class _Spec(Protocol):
    """What `Config.minimize` needs of a `ConfigSpec`."""

    def default_config(self) -> Config: ...
    def normalize(self, config: Mapping[str, object]) -> Config: ...


def _frozen(value: object) -> object:
    """A hashable stand-in for a JSON-like value; lists and tuples are one, `1`, `1.0` and `True` are not."""
    if isinstance(value, Mapping):
        return (dict, frozenset((key, _frozen(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return (list, tuple(_frozen(item) for item in value))
    if isinstance(value, set | frozenset):
        return (set, frozenset(_frozen(item) for item in value))
    return (type(value), value)


class Config(Mapping[str, object]):
    """The choices of one compilation: `Config(block_sizes=[64, 64, 32], num_warps=8)`.

    The known keys are keyword parameters, where None means unset; every other keyword is kept as it is.
    Equal configs are equal by value, and hash alike. Raises InvalidConfig for a key and its shorthand with two values.
    """

    __slots__ = ("_hash", "_values")
    _values: dict[str, object]
    _hash: int | None

    def __init__(
        self,
        *,
        block_sizes: object = None,
        loop_orders: object = None,
        flatten_loops: object = None,
        l2_groupings: object = None,
        pid_type: object = None,
        num_sm_multiplier: object = None,
        xcd_remap: object = None,
        reduction_loops: object = None,
        static_ranges: object = None,
        range_unroll_factors: object = None,
        range_num_stages: object = None,
        range_multi_buffers: object = None,
        range_flattens: object = None,
        range_warp_specializes: object = None,
        indexing: object = None,
        atomic_indexing: object = None,
        load_eviction_policies: object = None,
        load_cache_modifiers: object = None,
        store_cache_modifiers: object = None,
        epilogue_subtile: object = None,
        num_warps: object = None,
        num_stages: object = None,
        maxnreg: object = None,
        **others: object,
    ) -> None:
        known = {key: value for key, value in locals().items() if key not in ("self", "others", "__class__")}
        values = {key: value for key, value in known.items() if value is not None}
        for key, value in others.items():
            full = SHORTHANDS.get(key)
            if full is None:
                values[key] = value
            elif value is not None:
                entries: object = value if isinstance(value, list | tuple) else [value]
                if _frozen(values.setdefault(full, entries)) != _frozen(entries):
                    raise InvalidConfig(f"{key}={value!r} and {full}={values[full]!r} say two things; give one of them")
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_hash", None)

    @property
    def config(self) -> dict[str, object]:
        """The plain dict (a copy)."""
        return dict(self._values)

    def __getitem__(self, key: str) -> object:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Config is frozen: cannot set {name!r}")

    def __getattr__(self, name: str) -> object:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(name)
        return self._values[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and _frozen(self._values) == _frozen(other._values)

    def __hash__(self) -> int:
        if self._hash is None:
            object.__setattr__(self, "_hash", hash(_frozen(self._values)))
        assert self._hash is not None
        return self._hash

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{key}={value!r}' for key, value in self._values.items())})"

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (_restore, (type(self), self._values))

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """The config with these keys; a `Config` gives an equal one. Raises InvalidConfig if it is no mapping."""
        if not isinstance(values, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidConfig(f"a config is a Config or a dict of its keys, got {values!r}")
        if odd := [key for key in values if not isinstance(key, str)]:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidConfig(f"config keys are strings, got {odd[0]!r}")
        return cls(**dict(values))  # pyright: ignore[reportArgumentType]

    def to_json(self) -> str:
        """The config as a JSON object."""
        return json.dumps(self._values, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The config that `to_json` wrote; raises ValueError if the text is no JSON object."""
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError(f"a config is a JSON object, got {type(values).__name__}")
        return cls.from_dict(values)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the config as JSON."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            InvalidConfig: the file holds something else.
        """
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:  # no text, no JSON, or no object
            raise InvalidConfig(f"{path} holds no config: {error}", hint="Config.save writes one") from None

    def minimize(self, spec: _Spec) -> Config:
        """The config without the keys that have the default value of `spec` anyway."""
        default, full = spec.default_config(), spec.normalize(self)
        kept = {key: value for key, value in self._values.items() if _frozen(full[key]) != _frozen(default.get(key))}
        return Config.from_dict(kept)


def _restore(cls: type[Config], values: dict[str, object]) -> Config:
    return cls.from_dict(values)
