"""Axes that are permuted, removed and reshaped, against where NumPy puts the same elements."""

from __future__ import annotations

import numpy as np
import pytest

from constraints.receptive_field import Field
from constraints.tracing.axes import Digit, Shape, View
from constraints.tracing.layouts import moved, reshaped, settled, without


def of(axis: int, size: int) -> View:
    return View(Field(), (Digit(axis, 1, size, 1),), extent=size)


def places(view: View, shape: Shape) -> list[int]:
    """The pixel that each element sees, in the order of the elements."""
    at = np.zeros(shape, dtype=int)
    for d in view.digits:
        at += (np.indices(shape)[d.axis] - d.offset) // d.inner % d.size * d.stride
    return [int(view.field.at(int(i))[0]) for i in at.flat]


def test_axes_move_and_go() -> None:
    assert without([1], 3) == [0, None, 1]
    assert moved(of(2, 5), [2, 0, 1]) == of(1, 5)
    gone = moved(of(1, 1), [0, None, 1])
    assert gone is not None
    assert gone.is_unit
    assert moved(None, [0]) is None


@pytest.mark.parametrize(
    ("old", "axis", "new"),
    [
        ((4, 6), 1, (24,)),
        ((4, 6), 0, (24,)),
        ((4, 6), 1, (4, 3, 2)),
        ((4, 6), 0, (2, 2, 6)),
        ((2, 3, 4), 1, (6, 4)),
        ((2, 3, 4), 2, (2, 12)),
        ((24,), 0, (2, 3, 4)),
        ((4, 6), 1, (4, 1, 6)),
    ],
)
def test_a_reshape_leaves_each_element_what_it_saw(old: Shape, axis: int, new: Shape) -> None:
    before = of(axis, old[axis])
    after = reshaped(before, old, new)
    assert after is not None
    assert not after.blurred
    assert places(after, new) == places(before, old)


def test_a_reshape_across_an_axis_leaves_the_places_unknown() -> None:
    found = reshaped(of(0, 4), (4, 3), (6, 2))
    assert found is not None
    assert found.blurred == "a reshape that cuts across a spatial axis"


def test_a_map_of_one_unit_counts_along_an_axis_again_that_is_added() -> None:
    unit = of(2, 1)._replace(digits=())
    rows, columns = settled([of(2, 5), unit], (1, 3, 5, 1))
    assert rows == of(2, 5)
    assert columns is not None
    assert columns.digits == (Digit(3, 1, 1, 1),)
    assert settled([of(1, 5), unit], (1, 5)) == (of(1, 5), unit)  # there is no axis for it
