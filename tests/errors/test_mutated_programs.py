"""Programs with random mistakes raise errors of the user's, at their line: `tests/fuzz/mutations.py`."""

from __future__ import annotations

import random

from ..fuzz.mutations import attempt


def test_mutants_raise_errors_of_the_users() -> None:
    rng, kinds = random.Random(5), []
    for number in range(250):
        kind, wrong = attempt(rng, number)
        assert wrong is None, wrong
        kinds.append(kind)
    assert len(set(kinds)) > 8, kinds
