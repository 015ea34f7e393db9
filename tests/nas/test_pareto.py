"""Ranks and fronts against the definition, row by row."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nas.pareto import front, ranks

VALUES = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, math.inf, -math.inf]), st.floats(allow_nan=False))
LOSSES = st.integers(1, 4).flatmap(
    lambda objectives: st.integers(0, 30).flatmap(
        lambda n: arrays.arrays(np.float64, (n, objectives), elements=VALUES, fill=st.nothing())
    )
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
def test_ranks_are_those_of_the_definition(losses: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    expected = peeled(losses.tolist())
    assert ranks(losses).tolist() == expected
    assert front(losses).tolist() == [rank == 0 for rank in expected]


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_small_whole_numbers_tie_often(objectives: int) -> None:
    losses = np.random.default_rng(0).integers(0, 4, (120, objectives)).astype(float)
    assert ranks(losses).tolist() == peeled(losses.tolist())


def test_the_losses_stay_as_they_are() -> None:
    losses = np.array([[2.0, 1.0, math.nan], [1.0, 2.0, 3.0]])
    before = losses.copy()
    ranks(losses)
    np.testing.assert_array_equal(losses, before)


@pytest.mark.parametrize("others", [0, 1, 2, 3])
def test_what_is_not_a_number_is_as_bad_as_infinity(others: int) -> None:
    losses = np.array([[math.nan] + [0.0] * others, [math.inf] + [0.0] * others, [5.0] + [0.0] * others])
    assert ranks(losses).tolist() == [1, 1, 0]


@pytest.mark.parametrize("shape", [(3,), (3, 0), (2, 2, 2)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"losses of shape .*: give an array \(rows, objectives\)"):
        ranks(np.zeros(shape))
