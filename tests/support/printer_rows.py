"""One kernel with every elementwise row of the printer's table, built from a compact list."""

from __future__ import annotations

from collections.abc import Sequence

LANES = 64
ELEMENTS = ("f32", "f64", "f16", "bf16", "i1", "i8", "i32", "i64", "ui8")

_FLOAT_BINARY = ("addf", "subf", "mulf", "divf", "maximumf", "minimumf", "maxnumf", "minnumf")
_INT_BINARY = (
    "addi", "subi", "muli", "divsi", "remsi", "floordivsi", "ceildivsi", "divui", "remui",
    "minsi", "maxsi", "minui", "maxui", "andi", "ori", "xori",
)  # fmt: skip
_PREDICATES = ("eq", "ne", "lt", "le", "gt", "ge")
_MATH = ("absf", "ceil", "cos", "erf", "exp", "exp2", "floor", "sin")
_MATH_POSITIVE = ("log", "log2", "rsqrt", "sqrt")
LIBDEVICE_ROWS = (
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "cosh", "expm1", "log10", "log1p", "roundeven", "round",
    "sinh", "tan", "tanh", "trunc",
)  # fmt: skip
"""`math` ops that print as libdevice functions, which Triton's interpreter lacks."""


def _t(element: str) -> str:
    return f"tensor<{LANES}x{element}>"


def _binary(name: str, element: str) -> tuple[str, str]:
    return f"arith.{name} %x_{element}, %y_{element} : {_t(element)}", element


def _math(name: str, element: str, operand: str) -> tuple[str, str]:
    return f"math.{name} %{operand}_{element} : {_t(element)}", element


def interpretable_rows() -> list[tuple[str, str]]:
    """(op, element type of its result) for what Triton's interpreter runs exactly enough to compare."""
    rows = [_binary(name, element) for name in _FLOAT_BINARY for element in ("f32", "f64")]
    rows += [_binary(name, element) for name in _INT_BINARY for element in ("i32", "i64", "i8")]
    rows += [_binary(name, "i1") for name in ("andi", "ori", "xori")]
    rows += [_binary(name, "f16") for name in ("addf", "mulf", "divf")]
    rows += [(f"arith.{name} %x_i32, %s_i32 : {_t('i32')}", "i32") for name in ("shli", "shrsi", "shrui")]
    rows += [(f"math.ipowi %x_i32, %s_i32 : {_t('i32')}", "i32")]
    for element in ("f32", "i32", "i1", "i8"):
        rows += [
            (f'value.compare "{p}", %x_{element}, %y_{element} : {_t(element)} -> {_t("i1")}', "i1")
            for p in _PREDICATES
        ]
    rows += [(f'value.compare "u{p}", %x_i32, %y_i32 : {_t("i32")} -> {_t("i1")}', "i1") for p in _PREDICATES[2:]]
    rows += [_math(name, element, "x") for name in _MATH for element in ("f32", "f64")]
    rows += [_math(name, element, "p") for name in _MATH_POSITIVE for element in ("f32", "f64")]
    rows += [
        (f"math.absi %x_i32 : {_t('i32')}", "i32"),
        (f"arith.negf %x_f32 : {_t('f32')}", "f32"),
        (f"math.fma %x_f32, %y_f32, %p_f32 : {_t('f32')}", "f32"),
        (f"value.select %x_i1, %x_f32, %y_f32 : {_t('i1')}, {_t('f32')}", "f32"),
        (f"value.bitcast %x_f32 : {_t('f32')} to {_t('i32')}", "i32"),
        (f"arith.truncf %x_f64 : {_t('f64')} to {_t('f32')}", "f32"),
        (f"arith.truncf %x_f32 : {_t('f32')} to {_t('f16')}", "f16"),
        (f"arith.extf %x_f16 : {_t('f16')} to {_t('f32')}", "f32"),
    ]
    casts = [
        ("sitofp", "i32", "f32"), ("sitofp", "i1", "f32"), ("uitofp", "i8", "f32"), ("uitofp", "i1", "f32"),
        ("fptosi", "f32", "i32"), ("fptosi", "f32", "i8"), ("extsi", "i8", "i32"), ("extsi", "i1", "i32"),
        ("extui", "i8", "i32"), ("extui", "i1", "i32"), ("extui", "i32", "i64"), ("trunci", "i32", "i8"),
        ("trunci", "i32", "i1"), ("trunci", "i64", "i32"),
    ]  # fmt: skip
    rows += [(f'value.cast "{kind}" %x_{a} : {_t(a)} to {_t(b)}', b) for kind, a, b in casts]
    rows.append((f'value.cast "fptoui" %p_f32 : {_t("f32")} to {_t("i8")}', "i8"))
    rows += [(f'tl.scan "{kind}" %x_{e} {{axis = #builtin.int<0>}} : {_t(e)} -> {_t(e)}', e)
             for kind, e in (("sum", "i32"), ("sum", "f64"), ("prod", "f64"), ("sum", "i8"))]  # fmt: skip
    rows.append(
        (f"value.gather %x_f32, %g_i32 {{axis = #builtin.int<0>}} : {_t('f32')}, {_t('i32')} -> {_t('f32')}", "f32")
    )
    return rows


def compiled_rows() -> list[tuple[str, str]]:
    """What only a real compiler runs: libdevice, bfloat16, NaN-propagating scans and reductions."""
    rows = [_math(name, element, "p") for name in LIBDEVICE_ROWS for element in ("f32", "f64")]
    rows += [(f"math.{name} %x_f32, %y_f32 : {_t('f32')}", "f32") for name in ("powf", "atan2", "copysign")]
    rows += [(f'value.libdevice "hypot"(%x_f32, %y_f32) : ({_t("f32")}, {_t("f32")}) -> {_t("f32")}', "f32")]
    rows += [(f"math.{name} %x_i32 : {_t('i32')}", "i32") for name in ("ctlz", "cttz", "ctpop")]
    rows += [_binary(name, "bf16") for name in _FLOAT_BINARY]
    rows += [(f'tl.scan "{kind}" %x_{e} {{axis = #builtin.int<0>, reverse}} : {_t(e)} -> {_t(e)}', e)
             for kind in ("max", "min") for e in ("f32", "bf16", "i32")]  # fmt: skip
    return rows


def _scalar_rows() -> list[tuple[str, str]]:
    """Ops on the scalars `%a_…` and `%b_…`, for which `arith` serves where tensors have ops of `tl`."""
    return [
        *(
            (f"arith.cmpi {p}, %a_i32, %b_i32 : i32", "i1")
            for p in ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "uge")
        ),
        *((f"arith.cmpf {p}, %a_f32, %b_f32 : f32", "i1") for p in ("oeq", "ogt", "oge", "olt", "ole", "une")),
        ("arith.select %a_i1, %a_f32, %b_f32 : f32", "f32"),
        ("arith.bitcast %a_f32 : f32 to i32", "i32"),
        ("arith.fptosi %a_f32 : f32 to i32", "i32"),
        ("arith.fptoui %c_f32 : f32 to i8", "i8"),
        ("arith.sitofp %a_i32 : i32 to f32", "f32"),
        ("arith.uitofp %a_i8 : i8 to f32", "f32"),
        ("arith.trunci %a_i64 : i64 to i8", "i8"),
        ("arith.extsi %a_i8 : i8 to i64", "i64"),
        ("arith.extui %a_i8 : i8 to i64", "i64"),
        ("arith.extui %a_i1 : i1 to i32", "i32"),
        ("arith.xori %a_i1, %b_i1 : i1", "i1"),
        ("arith.floordivsi %a_i64, %b_i64 : i64", "i64"),
        ("tl.cdiv %c_i32, %c_i32 : i32", "i32"),
        ("arith.shrui %a_i32, %c_i32 : i32", "i32"),
    ]


def reductions() -> list[tuple[str, str]]:
    """(reduction to a scalar, its element type)."""
    rows = [(kind, e) for kind in ("sum", "prod", "max", "min") for e in ("f32", "f64", "i32", "i8")]
    rows += [(kind, "i32") for kind in ("and", "or", "xor")]
    return _scalar_rows() + [
        (f'tl.reduce "{kind}" %x_{e} {{axis = #builtin.int<0>}} : {_t(e)} -> {e}', e) for kind, e in rows
    ]


def kernel(rows: Sequence[tuple[str, str]], scalars: Sequence[tuple[str, str]] = ()) -> str:
    """A kernel that stores the result of row `k` in the `k`th stretch of 64 of the output of its element type.

    Its parameters are, for each element type, `x`, `y`, a positive `p`, and `out`; and i32 shifts and indices.
    """
    names = [f"{role}{e}" for e in ELEMENTS for role in ("x_", "y_", "p_", "out_")] + ["s_i32", "g_i32"]
    types = [f"!tl.ptr<{e}>" for e in ELEMENTS for _ in range(4)] + ["!tl.ptr<i32>"] * 2
    params = ", ".join(f"%ptr_{n}: {t}" for n, t in zip(names, types, strict=True))
    lines = [f"  %lanes = tl.arange : {_t('i32')}"]
    for name, pointer in zip(names, types, strict=True):
        if not name.startswith("out_"):
            value = _t(name.split("_")[1].removeprefix("u"))
            lines.append(f"  %{name} = tl.load %ptr_{name}[%lanes] : {pointer}[{_t('i32')}] -> {value}")
    lines.append("  %spot = arith.constant 9 : i32")
    for scalar, role in zip("abc", "xyp", strict=True):
        for e in ELEMENTS[:-1]:
            lines.append(f"  %{scalar}_{e} = tl.load %ptr_{role}_{e}[%spot] : !tl.ptr<{e}>[i32] -> {e}")
    for k, (op, element) in enumerate(rows):
        lines.append(f"  %r{k}_ = {op}")
        lines += _store(f"%r{k}_", k, element)
    for k, (op, element) in enumerate(scalars, len(rows)):
        lines.append(f"  %q{k}_ = {op}")
        lines.append(f"  %r{k}_ = value.splat %q{k}_ : {element} -> {_t(element)}")
        lines += _store(f"%r{k}_", k, element)
    quoted = ", ".join(f'"{n}"' for n in names)
    return f"""
tl.func @rows attributes {{arg_names = [{quoted}], arg_exprs = [{quoted}], constexprs = {{}},
    options = {{num_warps = #builtin.int<4>}}, host = "def rows({", ".join(names)}):\\n    __launch__()\\n"}} {{
^bb0({params}):
{chr(10).join(lines)}
  tl.return
}} grid {{
^bb0({params}):
  %one = arith.constant 1 : i32
  tl.launch_grid %one : i32
}}
"""


def _store(value: str, k: int, element: str) -> list[str]:
    return [
        f"  %c{k}_ = arith.constant {k * LANES} : i32",
        f"  %b{k}_ = value.splat %c{k}_ : i32 -> {_t('i32')}",
        f"  %o{k}_ = arith.addi %b{k}_, %lanes : {_t('i32')}",
        f"  tl.store {value}, %ptr_out_{element}[%o{k}_] : {_t(element)}, !tl.ptr<{element}>[{_t('i32')}]",
    ]
