"""Tensors of neighbouring places: slices and shifted copies of one map, and what only looks like them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from constraints.receptive_field import Field
from constraints.tracing.axes import Cut, Digit, View
from constraints.tracing.neighbours import are_neighbours
from constraints.tracing.sliding import sliced

SIZE = 16
MAP = View(Field(), (Digit(0, 1, SIZE, 1),), extent=SIZE)
SEEN = MAP._replace(field=Field().window(3, 1, -1))


def cut(view: View, start: int, step: int = 1, size: int = 4) -> View:
    """The places ``start``, ``start + step`` and so on."""
    part = sliced(view, (SIZE,), Cut(0, start, step, size))
    assert part is not None
    return part


def place(view: View, index: int) -> View:
    """One place of the map, without an axis."""
    return cut(view, index, size=1)._replace(digits=())


@given(st.integers(0, 8), st.integers(0, 8), st.integers(1, 2), st.sampled_from([MAP, SEEN]))
def test_two_slices_are_neighbours_unless_they_are_one(a: int, b: int, step: int, view: View) -> None:
    assert are_neighbours((cut(view, a, step),), (cut(view, b, step),)) == (a != b)


@given(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1))
def test_two_places_are_neighbours_unless_they_are_one(a: int, b: int) -> None:
    assert are_neighbours((place(SEEN, a),), (place(SEEN, b),)) == (a != b)


@given(st.integers(0, 6), st.integers(0, 6))
def test_places_of_other_distances_or_of_another_layer_are_none_whichever_is_first(a: int, b: int) -> None:
    for other in (cut(MAP, b, 2), cut(SEEN, b), place(SEEN, b)):
        assert not are_neighbours((cut(MAP, a),), (other,))
        assert not are_neighbours((other,), (cut(MAP, a),))


def test_a_mirrored_map_has_the_places_in_the_other_direction() -> None:
    (digit,) = MAP.digits
    mirrored = MAP._replace(field=Field(1, (SIZE - 1,), (SIZE - 1,)), digits=(digit._replace(stride=-1),))
    assert are_neighbours((MAP,), (mirrored,))
    assert not are_neighbours((mirrored,), (mirrored,))


def test_one_axis_that_moved_is_enough_and_one_that_differs_is_too_much() -> None:
    moved, same = cut(MAP, 1), cut(MAP, 0)
    assert are_neighbours((moved, same), (same, same))
    assert not are_neighbours((moved, cut(SEEN, 0)), (same, same)), "fields of another size are other layers"
    assert not are_neighbours((moved, same._replace(field=Field(2))), (same, same)), "another jump"


def test_an_input_that_one_does_not_depend_on_says_nothing() -> None:
    moved, same = cut(MAP, 1), cut(MAP, 0)
    assert are_neighbours((None, moved), (None, same))
    assert are_neighbours((SEEN, moved), (None, same))
    assert not are_neighbours((None, None), (None, None))
    assert not are_neighbours((moved, None), (None, same))


def test_pooled_and_unknown_values_are_no_places() -> None:
    here, there = place(MAP, 0), place(MAP, 1)
    for changed in (here._replace(pooled="mean"), here._replace(unknown="why"), here._replace(blurred="why")):
        assert not are_neighbours((changed,), (there,))
        assert not are_neighbours((there,), (changed,))
