"""Views of joined elements: hulls, tables of pairs, places that are not known."""

from __future__ import annotations

import pytest

from constraints.receptive_field import Field
from constraints.tracing.axes import Digit, View, unknown
from constraints.tracing.joining import MIXED, blurred, joined, paired, reduced

ROW = View(Field(), (Digit(0, 1, 8, 1),), extent=8)
COLUMN = View(Field(), (Digit(1, 1, 8, 1),), extent=8)


def shifted(by: int) -> View:
    return ROW._replace(field=Field(1, (by,), (by,)))


def test_one_tensor_alone_is_what_it_was() -> None:
    assert joined(ROW, None) is ROW
    assert joined(None, ROW) is ROW
    assert joined(None, None) is None


def test_two_maps_see_the_hull_of_both() -> None:
    found = joined(shifted(-1), shifted(2))
    assert found is not None
    assert (found.field.at(0), found.digits) == ((-1, 2), ROW.digits)


@pytest.mark.parametrize("how", ["mean", "sum", "max"])
def test_a_pooled_axis_has_the_whole_extent(how: str) -> None:
    found = reduced(ROW, [0], how)
    assert found is not None
    assert (found.field.at(0), found.digits, found.pooled) == ((0, 7), (), how)
    assert reduced(found, [0], "mean") is found  # it has no such axis any more
    assert reduced(ROW, [1], how) is ROW


def test_an_axis_that_was_pooled_in_two_ways_is_neither() -> None:
    view = ROW._replace(digits=(Digit(0, 1, 2, 4), Digit(1, 1, 4, 1)))
    first = reduced(view, [0], "max")
    assert first is not None
    assert (first.pooled, first.swept, first.digits) == ("", True, (Digit(1, 1, 4, 1),))
    both = reduced(reduced(ROW, [0], "max")._replace(digits=ROW.digits), [0], "mean")  # type: ignore[union-attr]
    assert both is not None
    assert both.pooled == "other"


@pytest.mark.parametrize("order", [1, -1])
def test_a_mixture_of_all_places_has_no_field_with_a_map(order: int) -> None:
    found = joined(*[ROW, reduced(ROW, [0], "mixed")][::order])
    assert found is not None
    assert (found.unknown, found.digits) == (MIXED, ROW.digits)
    mixture = reduced(ROW, [0], "mixed")
    assert joined(mixture, reduced(ROW, [0], "mixed")) == mixture


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_unknown_stays_so(order: int) -> None:
    found = joined(*[ROW, unknown("why", ROW)][::order])
    assert found is not None
    assert (found.unknown, found.digits) == ("why", ROW.digits)
    lost = joined(*[ROW, unknown("why")][::order])
    assert lost is not None
    assert lost.is_lost


def test_maps_along_other_axes_are_a_table_of_pairs() -> None:
    table = paired(ROW, COLUMN)
    assert table is not None
    assert (table.digits, table.other) == (ROW.digits, COLUMN)
    assert paired(ROW, ROW) == ROW
    assert paired(table._replace(other=None), reduced(COLUMN, [1], "mean")) == ROW  # the whole map is left aside
    summed = reduced(table, [0], "attended")
    assert summed is not None
    assert (summed.digits, summed.other) == (COLUMN.digits, None)


def test_a_place_that_is_not_known_may_be_any() -> None:
    found = blurred(ROW, {0}, "why")
    assert (found.field.at(0), found.digits, found.blurred) == ((0, 7), (), "why")
    assert blurred(ROW, {1}, "why") is ROW
    again = joined(found, ROW)
    assert again is not None
    assert again.blurred == "why"
