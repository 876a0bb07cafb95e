"""The table of outcomes: operators right, refused and wrong, by dtype."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

DTYPES = ("float32", "float16", "bfloat16", "int32", "int64", "uint8", "bool")
VERDICTS = ("right", "refused", "wrong")
Outcomes = Sequence[Mapping[str, object]]


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


def written(outcomes: Outcomes, folder: Path, device: str) -> None:
    """Put the table and all outcomes into a folder."""
    (folder / f"{device}.json").write_text(json.dumps(list(outcomes), indent=0) + "\n", "utf-8")
    (folder / f"{device}.md").write_text(markdown(outcomes) + "\n", "utf-8")
