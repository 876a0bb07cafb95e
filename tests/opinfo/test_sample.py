"""A part of PyTorch's operators in device code, and all that are refused; `make opinfo` tries all of them."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from typing import Any

import pytest

from .refused import disagreements, refusals

EVERY = 9
"""One of so many operators is tried."""


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """The operators of the database, which warns while it is made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from .operators import operators  # noqa: PLC0415

        return operators()


def outcome(operator: Any, dtype: Any, calls: int) -> dict[str, object]:
    from .checks import check  # noqa: PLC0415

    return asdict(check(operator, dtype, device="cpu", most=calls))


def test_a_sample_of_the_operators(known: dict[str, Any]) -> None:
    """Each with one of its dtypes, which differ from operator to operator."""
    outcomes = []
    for number, name in enumerate(sorted(known)[::EVERY]):
        dtypes = known[name].dtypes("cpu")
        outcomes.append(outcome(known[name], dtypes[number % len(dtypes)], 3))
    assert not disagreements(outcomes)
    assert sum(each["verdict"] == "right" for each in outcomes) > 20


def test_what_is_refused_is_listed(known: dict[str, Any]) -> None:
    found = []
    for refusal in refusals():
        operator = known[refusal.operator]
        dtype = next(d for d in operator.dtypes("cpu") if str(d).removeprefix("torch.") == refusal.dtypes[0])
        found += disagreements([outcome(operator, dtype, 100)])
        assert refusal.reason
    assert not found
