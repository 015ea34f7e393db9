"""Intervals just under, at and just over each end, exactly, however large."""

from decimal import Decimal
from math import inf, nan, nextafter

import pytest

from constraints.intervals import Interval, Number

BELOW, UP_TO = Interval(high=44, has_high=False), Interval(high=44)
ABOVE, FROM = Interval(low=44, has_low=False), Interval(low=44)
HALF = Decimal("2.5")


@pytest.mark.parametrize(
    ("interval", "under", "at", "over"),
    [
        (BELOW, True, False, False),
        (UP_TO, True, True, False),
        (ABOVE, False, False, True),
        (FROM, False, True, True),
        (Interval(low=44, high=44), False, True, False),
    ],
)
def test_what_is_in_it(interval: Interval, under: bool, at: bool, over: bool) -> None:
    just_under, just_over = nextafter(44.0, -inf), nextafter(44.0, inf)
    assert [value in interval for value in (-inf, 43, just_under)] == [under and interval.low == -inf, under, under]
    assert [value in interval for value in (44, 44.0, Decimal(44))] == [at] * 3
    assert [value in interval for value in (just_over, 45, inf)] == [over, over, over and interval.high == inf]


def test_numbers_beyond_64_bits_and_floats_are_compared_exactly() -> None:
    edge = 2**64 + 1  # no float: its neighbours are 2^64 and 2^64 + 4096
    assert [value in Interval(high=edge, has_high=False) for value in (edge - 1, edge, float(2**64))] == [
        True,
        False,
        True,
    ]
    assert [value in Interval(low=edge) for value in (edge - 1, edge, 10**400)] == [False, True, True]
    assert [value in Interval(low=Decimal("0.1"), high=Decimal("0.1")) for value in (Decimal("0.1"), 0.1)] == [
        True,
        False,
    ]


@pytest.mark.parametrize("limit", [44, HALF])
def test_what_is_not_a_number_is_in_none(limit: Number) -> None:
    for value in (nan, Decimal("NaN")):
        assert value not in Interval(low=limit)
        assert value not in Interval(high=limit, has_high=False)
        assert value not in Interval()


@pytest.mark.parametrize(
    ("interval", "turns"),
    [
        (Interval(), []),
        (BELOW, [44]),
        (UP_TO, [45]),
        (ABOVE, [45]),
        (FROM, [44]),
        (Interval(low=44, high=44), [44, 45]),
        (Interval(high=HALF, has_high=False), [3]),
        (Interval(high=HALF), [3]),
        (Interval(low=HALF, has_low=False), [3]),
        (Interval(low=HALF), [3]),
        (Interval(low=HALF, high=HALF), [3, 3]),  # holds no whole number
        (Interval(low=-HALF, high=HALF), [-2, 3]),
    ],
)
def test_where_the_whole_numbers_in_it_begin_and_end(interval: Interval, turns: list[int]) -> None:
    assert list(interval.turns()) == turns


@pytest.mark.parametrize(
    ("interval", "value", "change"),
    [
        (BELOW, 43, 0), (BELOW, 44, -1), (BELOW, 46, -3), (UP_TO, 44, 0), (UP_TO, 46, -2),
        (ABOVE, 45, 0), (ABOVE, 44, 1), (ABOVE, 42, 3), (FROM, 44, 0), (FROM, 42, 2),
        (Interval(low=3, high=5), 1, 2), (Interval(low=3, high=5), 4, 0), (Interval(low=3, high=5), 9, -4),
        (Interval(low=Decimal("4.5"), has_low=False), 3, 1.5), (Interval(high=10**30), 10**30 + 1, -1),
    ],
)  # fmt: skip
def test_by_how_much_a_value_has_to_change(interval: Interval, value: Number, change: float) -> None:
    assert interval.change(value) == change
