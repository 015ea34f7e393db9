"""Windows, slices, single indices and resamplings along one axis, by hand."""

from __future__ import annotations

import pytest

from constraints.receptive_field import Field
from constraints.tracing.axes import Cut, Digit, View, Window
from constraints.tracing.sliding import adaptive_pooled, plain, resampled_axis, selected, shifted, sliced, windowed

ROW = View(Field(), (Digit(0, 1, 12, 1),), extent=12)
PATCHES = View(Field(), (Digit(0, 1, 3, 4), Digit(1, 1, 4, 1)), extent=12)
"""Three patches of four pixels: the patch, and the place in it."""


def sees(view: View | None, *unit: int) -> tuple[float, float]:
    assert view is not None
    assert not view.unknown
    return view.field.at(sum(i * d.stride for i, d in zip(unit, view.digits, strict=True)))


@pytest.mark.parametrize(
    ("window", "unit", "seen"),
    [
        (Window(3, 1, 1, 1, 12), 0, (-1, 1)),
        (Window(3, 2, 1, 1, 6), 2, (3, 5)),
        (Window(3, 1, 2, 2, 12), 5, (3, 7)),
        (Window(2, 5, 1, 0, 3), 2, (10, 11)),  # a stride larger than the kernel
    ],
)
def test_a_window_sees_what_it_holds(window: Window, unit: int, seen: tuple[int, int]) -> None:
    assert sees(windowed(ROW, 0, (12,), window), unit) == seen


def test_a_window_inside_patches_ends_at_their_borders() -> None:
    view = windowed(PATCHES, 1, (3, 4), Window(3, 1, 1, 1, 4))
    assert [sees(view, 1, place) for place in range(4)] == [(4, 5), (4, 6), (5, 7), (6, 7)]


def test_a_border_moves_the_units() -> None:
    assert sees(shifted(ROW, 0, (12,), 2, 14), 2) == (0, 0)
    assert sees(shifted(ROW, 0, (12,), -3, 9), 0) == (3, 3)
    flat = PATCHES._replace(digits=(Digit(0, 4, 3, 4), Digit(0, 1, 4, 1)))  # laid out along one axis
    bordered = shifted(flat, 0, (12,), 1, 13)
    assert bordered is not None
    assert [d.offset for d in bordered.digits] == [1, 1]


def test_parts_of_an_axis() -> None:
    assert sees(sliced(ROW, (12,), Cut(0, 1, 3, 4)), 2) == (7, 7)
    assert sliced(ROW, (12,), Cut(0, 0, 1, 12)) is ROW
    assert sees(selected(ROW, 0, 5)) == (5, 5)
    place = selected(PATCHES, 1, 2)
    assert sees(place, 1) == (6, 6)
    assert selected(ROW, 0, 5).is_part  # type: ignore[union-attr]
    assert not place.is_part  # type: ignore[union-attr]


def test_a_resampling_needs_an_axis_of_one_digit() -> None:
    assert sees(adaptive_pooled(ROW, 0, (12,), 5), 1) == (2, 4)  # from floor(12 / 5) to ceil(24 / 5)
    split = View(Field(), (Digit(0, 4, 3, 4), Digit(0, 1, 4, 1)), extent=12)
    assert plain(ROW, 0, (12,)) is ROW
    found = resampled_axis(PATCHES, 1, (3, 4))
    assert found is not None
    assert found.unknown
    blurred = plain(split._replace(digits=(split.digits[0]._replace(stride=1), split.digits[1])), 0, (12,))
    assert blurred is not None
    assert blurred.blurred
