"""Every row of the printer's table: the emitted source computes what the reference interpreter says the op means."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from helion_ir.backends.triton.tables import ROWS
from xdsl.parser import Parser

from helion_ir.interpreter import run_func

from ..support import lit
from ..support import printer_kernels as kernels
from ..support import printer_rows as rows
from .test_printer import run_interpreted

DTYPES = {
    "f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16, "i1": torch.bool,
    "i8": torch.int8, "i32": torch.int32, "i64": torch.int64, "ui8": torch.uint8,
}  # fmt: skip


NAN_LANE = 5
"""The lane of `y` that holds NaN."""
NAN_GAPS = ("arith.maxnumf", "arith.minnumf")
"""Triton's interpreter lets NaN through in `tl.maximum` and `tl.minimum`: only lanes before it are compared."""


def _values(element: str, role: str) -> torch.Tensor:
    """`y` holds no zero, as division by it is undefined; `p` is positive; floats meet NaN in both."""
    dtype = DTYPES[element]
    if dtype == torch.bool:
        return torch.randint(0, 2, (rows.LANES,)) == 1
    if dtype.is_floating_point:
        value = (
            torch.rand(rows.LANES, dtype=torch.float64) * 3 + 0.25 if role == "p" else torch.randn(rows.LANES).double()
        )
        if role == "y":
            value = torch.where(value.abs() < 0.1, 1.5, value)
            value[NAN_LANE] = torch.nan
        return value.to(dtype)
    low, high = (0, 200) if dtype == torch.uint8 else (-100, 100)
    value = torch.randint(1 if role == "p" else low, high, (rows.LANES,))
    return torch.where(value == 0, 7, value).to(dtype) if role == "y" else value.to(dtype)


def _arguments(count: int) -> list[torch.Tensor]:
    arguments: list[torch.Tensor] = []
    for element in rows.ELEMENTS:
        arguments += [_values(element, role) for role in ("x", "y", "p")]
        arguments.append(torch.zeros(count * rows.LANES, dtype=DTYPES[element]))
    shift, index = torch.randint(0, 31, (rows.LANES,)), torch.randperm(rows.LANES)
    return [*arguments, shift.int(), index.int()]


def test_rows_agree_with_the_reference_interpreter(tmp_path: Path) -> None:
    listed, scalars = rows.interpretable_rows(), rows.reductions()
    text = rows.kernel(listed, scalars)
    arguments = _arguments(len(listed) + len(scalars))
    expected = [argument.clone() for argument in arguments]
    run_func(Parser(kernels.context(), text).parse_module(), expected)
    data = text.replace(
        "__launch__()\\n", f"__launch__()\\n    return [{', '.join('out_' + e for e in rows.ELEMENTS)}]\\n"
    )
    (found,) = run_interpreted(tmp_path, [("rows", data, arguments)])
    outputs = dict(zip(rows.ELEMENTS, found, strict=True))
    wanted = dict(zip(rows.ELEMENTS, expected[3 : 4 * len(rows.ELEMENTS) : 4], strict=True))
    for k, (op, element) in enumerate((*listed, *scalars)):
        lanes = rows.LANES if not op.startswith(NAN_GAPS) else NAN_LANE
        part = slice(k * rows.LANES, k * rows.LANES + lanes)
        torch.testing.assert_close(
            outputs[element][part], wanted[element][part], equal_nan=True, msg=lambda text, op=op: f"{op}: {text}"
        )


def test_every_row_is_tried() -> None:
    """No op has a row that no test prints."""
    tested = "".join(
        (
            rows.kernel([*rows.interpretable_rows(), *rows.compiled_rows()], rows.reductions()),
            *(path.read_text() for path in (lit.ROOT / "triton").glob("*.mlir")),
        )
    )
    missing = [cls.name for cls in ROWS if not re.search(rf"{re.escape(cls.name)}[ (\n]", tested)]
    assert not missing
