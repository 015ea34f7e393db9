"""Spatial axes of inputs, and which values are maps."""

import pytest

from constraints.receptive_field import Field
from constraints.tracing.axes import Digit, View
from constraints.tracing.maps import Maps
from constraints.tracing.values import Flow, Value


@pytest.mark.parametrize(
    ("shapes", "flat", "spans"),
    [
        ([(1, 3, 8, 8)], (), [[0, 1]]),
        ([(1, 8, 8)], {0}, [[0, 1]]),
        ([(1, 3, 8, 8), (1, 5), (1, 2, 7)], (), [[0, 1], [], [2]]),
        ([(1, 3, 8, 8), (1, 1, 1, 1)], (), [[0, 1], []]),  # a scale beside an image
        ([(1, 3, 1, 1)], (), [[0, 1]]),
    ],
)
def test_the_axes_behind_batch_and_channels_are_spatial(
    shapes: list[tuple[int, ...]], flat: set[int], spans: list[list[int]]
) -> None:
    assert [list(span) for span in Maps(shapes, flat).spans] == spans


def test_a_map_has_every_spatial_axis_on_an_axis_of_its_own() -> None:
    maps = Maps([(1, 3, 8, 8)], ())
    across, down = (View(Field(), (Digit(axis, 1, 8, 1),), extent=8) for axis in (2, 3))
    whole, half = (Value((1, 3, 8, 8), (across, view), Flow(object()), None) for view in (down, across))
    maps.note(whole)
    maps.note(half)
    assert whole.flow.map is whole
    assert half.flow.map is None
    maps.forget()
    assert whole.flow.map is None
