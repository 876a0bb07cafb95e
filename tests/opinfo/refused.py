"""The operators that are refused: `refused.toml` lists them, and must say what is so."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("refused.toml")


@dataclass(frozen=True)
class Refusal:
    """An operator that is refused with some dtypes, by which error, and why."""

    operator: str
    dtypes: tuple[str, ...]
    error: str
    reason: str


def refusals() -> list[Refusal]:
    """What the list says."""
    entries = tomllib.loads(LIST.read_text("utf-8")).get("refused", [])
    return [Refusal(e["operator"], tuple(e["dtypes"]), e["error"], e["reason"]) for e in entries]


def disagreements(outcomes: Iterable[Mapping[str, object]]) -> list[str]:
    """What the list says of outcomes and is not so, and what it does not say."""
    listed = {(each.operator, dtype): each for each in refusals() for dtype in each.dtypes}
    found = []
    for outcome in outcomes:
        name, dtype, verdict = (str(outcome[key]) for key in ("operator", "dtype", "verdict"))
        entry = listed.get((name, dtype))
        told = str(outcome["told"]).partition("\n")[0]
        if verdict == "wrong" or (verdict == "refused" and entry is None):
            found.append(f"{name} of {dtype} is {verdict}: {told}")
        elif entry is not None and verdict != "refused":
            found.append(f"{name} of {dtype} is {verdict}; {LIST.name} says that it is refused")
        elif entry is not None and entry.error not in told:
            found.append(f"{name} of {dtype} is refused by another error than {entry.error}: {told}")
    return found
