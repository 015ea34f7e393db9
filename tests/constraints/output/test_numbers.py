"""Numbers as reports show them, at the borders of their units."""

from __future__ import annotations

import pytest

from constraints.output.numbers import count, exact, shape, sides


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, ""),
        (1, "1"),
        (99_999, "99,999"),
        (100_000, "100k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (8_771_712, "8.77M"),
        (999_499_999, "999M"),
        (10**9, "1G"),
        (10**15, "1P"),
        (10**18, "1e+03P"),
    ],
)
def test_counts_have_three_digits_from_a_hundred_thousand_on(number: int, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (True, "true"),
        (1_234_567, "1,234,567"),
        (0.5, "0.5"),
        ([1_000, None, False], "1,000, unknown, false"),
        ((), ""),
    ],
)
def test_exact_values_have_every_digit(value: object, text: str) -> None:
    assert exact(value) == text


@pytest.mark.parametrize(
    ("sizes", "text"), [(None, ""), ((), ""), ((47.0, 47.0), "47"), ((3, 9), "3x9"), ((2.5,), "2.5")]
)
def test_equal_sides_are_one_number(sizes: tuple[float, ...] | None, text: str) -> None:
    assert sides(sizes) == text


def test_shapes_are_joined() -> None:
    assert (shape((3, 32, 32)), shape(())) == ("3x32x32", "")
