"""Pairs counted by their sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.space.counting.half_paths import Points
from nas.space.counting.meet_in_the_middle import exact_dot, pairs_below
from nas.space.counting.tracked_metrics import Array


def points(rows: list[tuple[int, ...]]) -> Points:
    """Of rows (multiples ..., count), sorted by the multiples."""
    columns = [np.array(column, dtype=np.int64) for column in zip(*sorted(rows), strict=True)]
    nothing = np.zeros(len(rows), dtype=np.int64)
    return Points(classes=nothing, outcomes=nothing, multiples=tuple(columns[:-1]), counts=columns[-1])


def rows(figures: int) -> st.SearchStrategy[list[tuple[int, ...]]]:
    row = st.tuples(*[st.integers(0, 12)] * figures, st.integers(1, 2**40))
    return st.lists(row, min_size=1, max_size=40)


@given(st.data(), st.sampled_from([1, 2]))
def test_pairs_below_limits_are_those_of_a_double_loop(data: st.DataObject, figures: int) -> None:
    some, others = data.draw(rows(figures)), data.draw(rows(figures))
    limits = [[3, 11, 30]] * figures
    found = pairs_below(points(some), points(others), limits)
    assert len(found) == 3**figures
    for wanted, number in found.items():
        assert number == sum(
            a[-1] * b[-1]
            for a in some
            for b in others
            if all(x + y < limit for x, y, limit in zip(a[:-1], b[:-1], wanted, strict=True))
        )


@pytest.mark.parametrize("largest", [10, 2**62 - 1])
def test_a_product_is_exact_however_large(largest: int) -> None:
    generator = np.random.default_rng(0)
    a: Array = generator.integers(0, largest, 1000, endpoint=True)
    b: Array = generator.integers(0, largest, 1000, endpoint=True)
    assert exact_dot(a, b) == sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))


def test_a_long_product_is_exact() -> None:
    n = (1 << 20) + 3  # more than is added at once
    a = np.full(n, 2**62 - 1)
    assert exact_dot(a, a) == n * (2**62 - 1) ** 2
