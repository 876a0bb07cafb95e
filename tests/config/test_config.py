"""Config, fragments and the search space."""

from __future__ import annotations

import pickle
from pathlib import Path
from random import Random

import pytest
from helion_ir.passes.fragments import (
    BooleanFragment,
    EnumFragment,
    Fragment,
    IntegerFragment,
    OptionalBlockFragment,
    PermutationFragment,
    PowerOfTwoFragment,
)
from helion_ir.passes.schedule import decode_option, decode_permutation, encode_option
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import PassPipeline

import helion_ir
from helion_ir import exc
from helion_ir.config import SHORTHANDS, Config
from helion_ir.pipeline import Pipeline, pass_table, pipeline_string
from helion_ir.space.config_spec import ConfigSpec

from ..support.ir_text import kernel, parse


def spec(name: str) -> ConfigSpec:
    module = kernel(name)
    for pass_ in Pipeline().config_free():
        pass_.apply(Context(), module)
    return ConfigSpec(module)


def wide_rows(extent: int | str) -> ModuleOp:
    """The row sum of x[1000, extent]."""
    dim = "?" if isinstance(extent, str) else extent
    t = f"tensor<?x{dim}xf32, #tile.dims<b0, {extent}>>"
    ref = f"!tile.ref<[1000, {extent}], [{extent}, 1], f32, align 16>"
    return parse(f"""
tile.kernel @rows attributes {{arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {{}}, blocks = {{b0 = #tile.block<1, none>}}, host = "", index_type = i32}} {{
^bb0(%x: {ref}, %out: !tile.ref<[1000], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 1000 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {{
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<{extent}>
    %v = tile.load %x[%i, %all] : {ref}[!tile.tile<b0>, !tile.tile<{extent}>] -> {t}
    %s = tile.reduce "sum" %v over %all {{axis = #builtin.int<1>}} : {t}, !tile.tile<{extent}> -> tensor<?xf32, #tile.dims<b0>>
    tile.store %s, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[1000], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }}
}}
""")  # noqa: E501


# --- Config -----------------------------------------------------------------------------------------------------------


def test_a_config_keeps_what_it_is_given_and_forgets_none():
    config = Config(block_sizes=[16], num_warps=None, made_up=0, other=None, flags=[], nested={"a": [1, [2]]})
    assert config.config == {"block_sizes": [16], "made_up": 0, "other": None, "flags": [], "nested": {"a": [1, [2]]}}


def test_shorthands():
    assert Config(block_size=16)["block_sizes"] == [16]
    assert Config(block_size=[32, 32])["block_sizes"] == [32, 32]
    assert Config(reduction_loop=64, load_eviction_policy="first").config == {
        "reduction_loops": [64],
        "load_eviction_policies": ["first"],
    }


@pytest.mark.parametrize("full", ["block_sizes", "reduction_loops", "range_unroll_factors", "static_ranges"])
def test_a_shorthand_and_its_key_must_agree(full: str):
    short = next(key for key, plural in SHORTHANDS.items() if plural == full)
    with pytest.raises(exc.InvalidConfig, match=rf"{short}=16 and {full}=\[8\] say two things"):
        Config(**{full: [8], short: 16})
    assert Config(**{full: [16], short: 16}) == Config(**{full: [16]})


@pytest.mark.parametrize("odd", ["x", 3, ["block_sizes"], {1: 2}])
def test_what_is_no_mapping_of_keys_is_no_config(odd: object):
    with pytest.raises(exc.InvalidConfig, match=r"config"):
        Config.from_dict(odd)  # pyright: ignore[reportArgumentType]
    with pytest.raises(exc.InvalidConfig):
        helion_ir.kernel(config=odd)(lambda x: x)  # pyright: ignore[reportArgumentType]


def test_equality_hash_pickle_repr_and_json():
    config = Config(block_sizes=[16, 32], num_warps=8, extra={"deep": [[1], 2.5, True]})
    same = Config(extra={"deep": [[1], 2.5, True]}, num_warps=8, block_sizes=(16, 32))
    assert config == same
    assert hash(config) == hash(same)
    assert config != Config(block_sizes=[16, 32], num_warps=8)
    assert Config(flag=True) != Config(flag=1)
    assert pickle.loads(pickle.dumps(config)) == config
    assert Config.from_json(config.to_json()) == config
    assert repr(Config(num_warps=8, block_sizes=[1])) == "Config(block_sizes=[1], num_warps=8)"
    with pytest.raises(AttributeError):
        config.num_warps = 4  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="JSON object"):
        Config.from_json("[1]")


def test_save_and_load(tmp_path):
    config = Config(block_sizes=[16], num_warps=2)
    config.save(tmp_path / "deep" / "best.json")
    assert Config.load(tmp_path / "deep" / "best.json") == config


def test_minimize_drops_defaults():
    found = spec("matmul")
    default = found.default_config()
    assert len(default.minimize(found)) == 0
    assert Config(**{**default.config, "num_warps": 16}).minimize(found).config == {"num_warps": 16}


# --- fragments --------------------------------------------------------------------------------------------------------

FRAGMENTS: list[Fragment] = [
    PowerOfTwoFragment(4, 64, 16, max_size=None),
    OptionalBlockFragment(32, 256, 64),
    IntegerFragment(1, 5, 2),
    EnumFragment(("a", "b", "c"), also_legal=("z",)),
    EnumFragment((None, True, False)),
    BooleanFragment(True),
    PermutationFragment(3),
]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda f: type(f).__name__)
def test_fragments_propose_only_what_is_legal(fragment: Fragment):
    assert fragment.contains(fragment.default())
    for value in fragment.candidates():
        assert fragment.contains(value)
        assert all(fragment.contains(near) and near != value for near in fragment.neighbors(value))
        assert len(fragment.encode(value)) == len(fragment.encode(fragment.default()))
    rng = Random(0)
    drawn = [fragment.random(rng) for _ in range(60)]
    assert all(fragment.contains(value) for value in drawn)
    assert len({str(value) for value in drawn}) > 1


@pytest.mark.parametrize(
    ("fragment", "value"),
    [(FRAGMENTS[0], 24), (FRAGMENTS[0], 2), (FRAGMENTS[0], True), (FRAGMENTS[2], 6), (FRAGMENTS[3], "d"),
     (FRAGMENTS[4], 1), (FRAGMENTS[6], [0, 0, 1]), (FRAGMENTS[6], [0, 1])],
)  # fmt: skip
def test_fragments_refuse(fragment: Fragment, value: object):
    assert not fragment.contains(value)


def test_the_codec_of_options():
    for value in (None, True, 3, "persistent", ""):
        assert decode_option(encode_option(value)) == value
    assert decode_permutation(encode_option([2, 0, 1])) == (2, 0, 1)


# --- the search space -------------------------------------------------------------------------------------------------


def test_the_default_lists_every_key_that_has_a_site():
    config = spec("matmul").default_config()
    assert config["block_sizes"] == [64, 64, 64]
    assert config["indexing"] == ["pointer"] * 3
    assert config["range_num_stages"] == [0, 0]
    assert config["loop_orders"] == [[0, 1]]
    assert "reduction_loops" not in config


def test_defaults_follow_the_op_mix():
    assert spec("add").default_config()["block_sizes"] == [16, 64]
    assert spec("softmax").default_config()["block_sizes"] == [16]
    narrow, wide = ConfigSpec(wide_rows(4096)).default_config(), ConfigSpec(wide_rows(100000)).default_config()
    assert (narrow["block_sizes"], narrow["reduction_loops"], narrow["num_warps"]) == ([1], [None], 8)
    assert (wide["block_sizes"], wide["reduction_loops"]) == ([1], [2048])
    dynamic = ConfigSpec(wide_rows("s0")).default_config()
    assert (dynamic["block_sizes"], dynamic["reduction_loops"]) == ([1], [2048])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"block_sizes": [64, 64]}, r"block_sizes: expected 3 entries, got 2"),
        ({"block_sizes": [64, 64, 32, 1]}, r"block_sizes: expected 3 entries, got 4"),
        ({"block_sizes": [64, 48, 32]}, r"block_sizes\[1\]: 48 is not legal, expected a power of two from 1"),
        ({"num_wraps": 4}, r"num_wraps: unknown config key"),
        ({"num_warps": 3}, r"num_warps: 3 is not legal"),
        ({"pid_type": "spiral"}, r"pid_type: 'spiral' is not legal, expected one of 'flat'"),
        ({"loop_orders": [[0, 0]]}, r"loop_orders\[0\]: \[0, 0\] is not legal, expected a permutation of \[0, 1\]"),
        ({"l2_groupings": [1, 1]}, r"l2_groupings: expected 1 entries, got 2"),
        ({"num_sm_multiplier": 2}, r"num_sm_multiplier=2 needs a persistent grid, but pid_type='flat'"),
        ({"block_sizes": [4096, 4096, 32]}, r"makes a tensor of 16777216 elements"),
        ({"reduction_loops": [16]}, r"reduction_loops: this kernel has no site"),
    ],
)
def test_normalize_refuses(config: dict[str, object], message: str):
    with pytest.raises(exc.InvalidConfig, match=message):
        spec("matmul").normalize({"block_sizes": [64, 64, 32], **config})


def test_normalize_takes_every_spelling():
    found = spec("matmul")
    config = found.normalize(
        {
            "block_size": [[16, 32], 64],
            "num_warps": [8],
            "loop_order": (1, 0),
            "indexing": "pointer",
            "range_num_stages": [2],
            "load_eviction_policies": ["first", "last", "first", "first"],
            "pid_type": "persistent_blocked",
            "num_sm_multiplier": 2,
        }
    )
    assert config["block_sizes"] == [16, 32, 64]
    assert config["num_warps"] == 8
    assert config["loop_orders"] == [[1, 0]]
    assert config["indexing"] == ["pointer"] * 3
    assert config["range_num_stages"] == [2, 0]
    assert config["load_eviction_policies"] == ["first", "last"]
    assert found.normalize(config) == config


def test_attributes_of_the_spec():
    found = spec("rows_rank3")
    assert [fragment.size_hint for fragment in found.block_sizes] == [37]  # pyright: ignore[reportAttributeAccessIssue]
    assert len(found.reduction_loops) == 2
    assert found.allowed_pid_types == ("flat", "persistent_blocked", "persistent_interleaved")
    assert found.unsupported_config_keys({"num_warps": 1, "block_size": 2, "nonsense": 3}) == ["nonsense"]
    with pytest.raises(AttributeError):
        _ = found.nonsense


@pytest.mark.parametrize("name", ["matmul", "softmax", "attention", "rows_rank3", "add"])
def test_random_configs_are_legal_and_replay(name: str):
    found = spec(name)
    rng = Random(7)
    for _ in range(30):
        config = found.random(rng)
        assert found.normalize(config) == config
        passes = Pipeline().scheduled(config, found.module, to_tl=False)
        assert list(PassPipeline.parse_spec(pass_table(), pipeline_string(passes)).passes) == passes


@pytest.mark.parametrize("content", [b'{"block_sizes": [16', b"", b"[]", b"\xff\xfe"])
def test_a_file_that_holds_no_config_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(exc.InvalidConfig, match=r"broken\.json"):
        Config.load(path)
