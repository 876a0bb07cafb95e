"""How much a search tries, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """The size of a search.

    - `population`: candidates of the first generation; `candidates`: of each later one.
    - `generations`: at most this many after the first.
    - `copies`: configs that pattern search moves around at a time.
    - `patience`: the search ends after this many generations without a gain of `MINIMAL_GAIN`, once anything works.
    - `finalists`: leaders that are measured again, in turns, at the end.
    """

    population: int
    candidates: int
    generations: int
    copies: int
    patience: int
    finalists: int


MINIMAL_GAIN = 0.005
"""A share of the best time that is no noise."""

EFFORTS = {
    "quick": Effort(population=32, candidates=24, generations=8, copies=3, patience=3, finalists=4),
    "full": Effort(population=64, candidates=32, generations=60, copies=5, patience=8, finalists=8),
}
"""By the name of setting `autotune_effort`; `none` does not search."""
