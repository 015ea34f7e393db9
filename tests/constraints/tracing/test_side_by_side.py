"""Parts side by side along a spatial axis, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from constraints.receptive_field import Field
from constraints.tracing.axes import Digit, View
from constraints.tracing.side_by_side import LaidPart, are_nested, hull, listed

WHOLE = Digit(0, 1, 8, 1)


def row(laid: range, low: int, high: int) -> LaidPart:
    """A part whose unit ``i`` sees ``i + low .. i + high``."""
    shows = np.zeros(8, dtype=bool)
    shows[list(laid)] = True
    return LaidPart(View(Field(1, (low,), (high,)), (Digit(0, 1, len(laid), 1),), extent=8), laid, shows)


def seen(view: View) -> list[tuple[float, float]]:
    return [view.field.at(i) for i in range(8)]


def test_two_halves_of_one_map_are_the_map() -> None:
    found = listed([row(range(4), -1, 1), row(range(4, 8), 3, 5)], WHOLE, crossed=False)
    assert seen(found) == [(i - 1, i + 1) for i in range(8)]
    assert found.field.period == 1


def test_halves_that_see_differently_are_listed_unit_by_unit() -> None:
    found = listed([row(range(4), -1, 1), row(range(4, 8), 2, 6)], WHOLE, crossed=False)
    assert seen(found) == [*((i - 1, i + 1) for i in range(4)), *((i - 2, i + 2) for i in range(4, 8))]
    assert found.size == 5


def test_maps_that_are_not_in_their_place_are_unknown() -> None:
    assert listed([row(range(4), -1, 1), row(range(4, 8), -1, 1)], WHOLE, crossed=False).unknown


def test_a_border_that_wraps_around_is_a_border() -> None:
    found = listed([row(range(1, 8), -1, 1), row(range(1), 6, 8)], WHOLE, crossed=False)
    assert not found.unknown
    assert seen(found)[1:] == [(i - 2, i) for i in range(1, 8)]


def test_the_field_of_all_is_one_of_theirs_or_not() -> None:
    assert hull([(1, 4), (2, 7)]) == (1, 7)
    assert are_nested([(1, 7), (2, 5)])
    assert not are_nested([(1, 4), (2, 7)])
    assert are_nested([])


@pytest.mark.parametrize("crossed", [False, True])
def test_parts_that_show_at_one_place_see_as_both(crossed: bool) -> None:
    found = listed([row(range(8), -1, 1), row(range(8), 0, 2)], WHOLE, crossed=crossed)
    assert bool(found.unknown) is crossed
    if not crossed:
        assert seen(found)[3] == (2, 5)
