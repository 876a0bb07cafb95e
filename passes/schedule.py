"""Schedule passes: each owns some config keys and derives their legal values from the config-free module.

Of a config: `Config` → per key a list with one value a site (`helion_ir.space.config_spec.ConfigSpec.normalize`)
→ the pass's options, flat tuples that xDSL's pipeline strings can spell (`encode_option`) → `apply`.

The codec of options: None is the word `none`, a permutation is `1-0`, everything else is itself.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self, TypeAlias, cast, get_type_hints

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..dialects.tile import KernelOp
from .fragments import AnyFragment, BooleanFragment, Fragment, Value

Option: TypeAlias = int | float | str | bool
"""What a pass option holds: the types that a pipeline string can spell."""
Fragments: TypeAlias = dict[str, list[Fragment]]
"""Per key one fragment a site; a scalar key has exactly one."""


@dataclass(frozen=True)
class Key:
    """A config key and how its spelling becomes one value a site.

    `length` says what a list of the wrong length means: `exact` is an error; `fill` fills a short one with
    defaults and rejects a long one; `resize` pads and cuts (preferences per access). Where all entries are
    `idle`, the entry that changes nothing, the pass's option is left empty.
    """

    name: str
    scalar: bool = False
    length: Literal["exact", "fill", "resize"] = "fill"
    idle: Option | None = None


def encode_option(value: Value) -> Option:
    """One config value as pass option."""
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return "-".join(str(item) for item in value)
    return value


def decode_option(option: Option) -> Option | None:
    """The value that an option stands for, but for permutations."""
    return None if option == "none" else option


def decode_permutation(option: Option) -> tuple[int, ...]:
    """The permutation that an option spells."""
    try:
        return tuple(int(item) for item in str(option).split("-"))
    except ValueError:
        raise PassFailedException(f"expected a permutation such as 1-0, got {option!r}") from None


@dataclass(frozen=True)
class SchedulePass(ModulePass):
    """A pass that a config steers: its dataclass fields are its options, named like the config keys in `keys`."""

    keys: ClassVar[tuple[Key, ...]]

    @classmethod
    @abstractmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        """The legal values a site of the config-free `module`, per owned key; a key without sites is left out."""

    @classmethod
    def from_config(cls, config: Mapping[str, object], module: ModuleOp) -> Self:
        """The pass with the options that a normalized `config` gives; a missing key keeps the field's default."""
        options: dict[str, object] = {}
        for key in cls.keys:
            value = config.get(key.name)
            if value is None:
                continue
            if key.scalar:
                options[key.name] = encode_option(cast("Value", value))
            else:
                entries = tuple(encode_option(item) for item in cast("Sequence[Value]", value))
                options[key.name] = () if all(entry == key.idle for entry in entries) else entries
        return cls(**options)

    def given(self) -> dict[str, object]:
        """The options that are not as they are by default, by key; a codec's words are not decoded."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        options = {key.name: getattr(self, key.name) for key in self.keys}
        return {name: option for name, option in options.items() if option != defaults[name]}

    @classmethod
    def check(cls, module: ModuleOp, config: Mapping[str, object]) -> str | None:
        """Why a normalized `config`, legal key by key, is illegal as a whole; None when it is not."""
        return None

    @classmethod
    def repair(cls, module: ModuleOp, config: dict[str, object]) -> dict[str, object]:
        """`config` made legal as a whole: what a search's random choice is mended by."""
        return config

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        """xDSL's hook: the default of this module's search space, if the pass has anything to do here."""
        space = cls.search_space(module_op)
        return (cls.from_config(default_values(cls.keys, space), module_op),) if space else ()


def default_values(keys: Sequence[Key], space: Fragments) -> dict[str, object]:
    """The default of every key of `space`."""
    scalars = {key.name for key in keys if key.scalar}
    return {
        name: fragments[0].default() if name in scalars else [fragment.default() for fragment in fragments]
        for name, fragments in space.items()
    }


def plugin_keys(pass_: type[ModulePass]) -> dict[str, tuple[str, Fragment]]:
    """Config key `<pass-name>.<option>` → option name and fragment, for a pass that declares no keys.

    A dataclass field may carry its fragment: `field(default=1, metadata={"fragment": IntegerFragment(1, 4)})`;
    else a bool is searched and anything else is legal but left at its default.
    """
    result: dict[str, tuple[str, Fragment]] = {}
    hints = get_type_hints(pass_)
    for option in dataclasses.fields(pass_):
        type_ = hints[option.name]
        fragment = option.metadata.get("fragment")
        if fragment is None and option.default is not dataclasses.MISSING and type_ in (bool, int, float, str):
            fragment = BooleanFragment(option.default) if type_ is bool else AnyFragment(type_, option.default)
        if fragment is not None:
            result[f"{pass_.name}.{option.name}"] = (option.name, fragment)
    return result


def kernels(module: ModuleOp) -> Iterator[KernelOp]:
    """The kernels of a module."""
    return (op for op in module.body.block.ops if isinstance(op, KernelOp))


def site_of(op: Operation) -> int | None:
    """The op's site number (number-sites), None if it has none."""
    site = op.attributes.get("site")
    return site.value.data if isinstance(site, IntegerAttr) else None


def at_site(options: Sequence[Option], site: int | None, default: Option | None = None) -> Option | None:
    """The decoded option of a site; `default` where the list does not reach."""
    if site is None or site >= len(options):
        return default
    return decode_option(options[site])
