"""Ranks and fronts against the definition, row by row."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.pareto import front, ranks

VALUES = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, math.inf, -math.inf]), st.floats(allow_nan=False))
LOSSES = st.integers(1, 4).flatmap(
    lambda objectives: st.lists(st.lists(VALUES, min_size=objectives, max_size=objectives), max_size=30)
)


def dominates(a: list[float], b: list[float]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def peeled(rows: list[list[float]]) -> list[int]:
    """Ranks by their definition: take the rows away that none of those left dominates, again and again."""
    found, left, rank = [-1] * len(rows), set(range(len(rows))), 0
    while left:
        best = {i for i in left if not any(dominates(rows[j], rows[i]) for j in left)}
        for i in best:
            found[i] = rank
        left, rank = left - best, rank + 1
    return found


@given(LOSSES)
def test_ranks_are_those_of_the_definition(losses: list[list[float]]) -> None:
    expected = peeled(losses)
    assert ranks(losses) == expected
    assert front(losses) == [rank == 0 for rank in expected]


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_small_whole_numbers_tie_often(objectives: int) -> None:
    losses = np.random.default_rng(0).integers(0, 4, (120, objectives)).astype(float).tolist()
    assert ranks(losses) == peeled(losses)


def test_the_losses_stay_as_they_are() -> None:
    losses = [[2.0, 1.0, math.nan], [1.0, 2.0, 3.0]]
    before = copy.deepcopy(losses)
    ranks(losses)
    assert losses == before


@pytest.mark.parametrize("others", [0, 1, 2, 3])
def test_what_is_not_a_number_is_as_bad_as_infinity(others: int) -> None:
    losses = [[math.nan] + [0.0] * others, [math.inf] + [0.0] * others, [5.0] + [0.0] * others]
    assert ranks(losses) == [1, 1, 0]


def test_infinities_of_both_signs_are_no_unknown_value() -> None:
    assert ranks([[math.inf, -math.inf], [0.0, 0.0], [1.0, -math.inf]]) == [1, 0, 0]


@pytest.mark.parametrize(("losses", "widths"), [([[], []], "0"), ([[1.0], [1.0, 2.0]], "1, 2")])
def test_rows_of_no_losses_or_of_different_numbers_are_refused(losses: list[list[float]], widths: str) -> None:
    with pytest.raises(ValueError, match=f"rows of {widths} losses: give as many of each row, one or more"):
        ranks(losses)
