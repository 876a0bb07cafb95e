"""The table of outcomes: operators right, refused and wrong, by dtype."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from .refused import refusals

DTYPES = ("float32", "float16", "bfloat16", "int32", "int64", "uint8", "bool")
VERDICTS = ("right", "refused", "wrong")
Outcomes = Sequence[Mapping[str, object]]

HEAD = """# PyTorch's operators in device code

Every unary, binary and reduction operator of `torch.testing._internal.common_methods_invocations`, PyTorch's database,
and those of its others that work lane by lane or along an axis ([operators.py](../tests/opinfo/operators.py)), with all
of their sample inputs, as the body of generic kernels: tiled in one dimension and in two, over full slices, held whole
or walked in chunks, and over loops of tiles. Results are compared with eager PyTorch's: dtypes, NaN and infinities are
equal, values within the tolerances of `torch.testing.assert_close` of eager's or of float64's, or no farther from
float64's than four times eager's own, or than eager at its worst, eight units in the last place at most. An operator is
right if it is with every dtype. `make opinfo` writes this page. Not tried: complex and random numbers, CUDA source.
"""


def by_operator(outcomes: Outcomes) -> dict[str, str]:
    """The verdict on each operator that was tried: `right` if it is with every dtype."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in outcomes:
        found[str(each["operator"])].add(str(each["verdict"]))
    order = ("wrong", "refused", "right")
    return {name: next(v for v in order if v in told) for name, told in sorted(found.items()) if told != {"none"}}


def markdown(outcomes: Outcomes) -> str:
    """A row a verdict, a column a dtype."""
    counts = Counter((each["verdict"], each["dtype"]) for each in outcomes)
    total = Counter(by_operator(outcomes).values())
    lines = ["| | operators | " + " | ".join(DTYPES) + " |", "|---|" + "---:|" * (len(DTYPES) + 1)]
    for verdict in VERDICTS:
        cells = [str(total[verdict]), *(str(counts[verdict, dtype]) for dtype in DTYPES)]
        lines.append(f"| {verdict} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def told(outcomes: Outcomes) -> str:
    """The table and each outcome that is not right."""
    bad = [each for each in outcomes if each["verdict"] in ("refused", "wrong")]
    lines = [f"{each['verdict']:8}{each['operator']} {each['dtype']}: {each['told']}" for each in bad]
    return "\n".join([*lines, markdown(outcomes)])


def section(outcomes: Outcomes, where: str) -> str:
    """What a page says of one run: the table, what is refused and why, what is wrong."""
    verdicts = by_operator(outcomes)
    right = sum(verdict == "right" for verdict in verdicts.values())
    kernels = sum(int(str(each["calls"])) for each in outcomes)
    reasons = {each.operator: each.reason for each in refusals()}
    lines = [
        f"{where}: {right} of {len(verdicts)} operators right, in {kernels} kernels.",
        "", markdown(outcomes), "",
    ]  # fmt: skip
    for name, verdict in verdicts.items():
        if verdict != "right":
            dtypes = [str(e["dtype"]) for e in outcomes if e["operator"] == name and e["verdict"] == verdict]
            lines.append(f"- {verdict}: `{name}` ({', '.join(dtypes)}): {reasons.get(name, 'not expected')}")
    return "\n".join(lines).rstrip("\n")


def write_page(page: Path, device: str, text: str) -> None:
    """Put a run's section into the page; those of other devices stay."""
    old = page.read_text("utf-8") if page.exists() else ""
    sections = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=\n## |\Z)", old, re.DOTALL | re.MULTILINE))
    sections[device] = text
    parts = [HEAD, *(f"## {name}\n\n{body.rstrip()}\n" for name, body in sorted(sections.items()))]
    page.write_text("\n".join(parts), "utf-8")
