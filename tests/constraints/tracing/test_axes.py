"""The interval calculus against explicit sets of pixels."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings

from constraints.receptive_field import Field
from constraints.tracing import columns, reshaping
from constraints.tracing.axes import Cut, Digit, View, Window
from constraints.tracing.joining import joined, reduced
from constraints.tracing.sliding import sliced, windowed
from tests.constraints.tracing.drawn_steps import tensors
from tests.constraints.tracing.line import Line, lines
from tests.constraints.tracing.seen import Tensor, called, image

Bounds = npt.NDArray[np.float64]


def hulls(tensor: Tensor) -> tuple[Bounds, Bounds]:
    """The first and the last pixel in each mask; ``(inf, -inf)`` where it is empty."""
    pixels = tensor.mask[..., :-1]
    some, last = pixels.any(-1), pixels.shape[-1] - 1
    low = np.where(some, pixels.argmax(-1), math.inf)
    return low, np.where(some, last - pixels[..., ::-1].argmax(-1), -math.inf)


def claimed(tensor: Tensor) -> tuple[Bounds, Bounds]:
    """What the view says: an element sees ``field.at(sum of digit * stride)``."""
    at = np.zeros(tensor.shape, dtype=int)
    for d in tensor.view.digits:
        at += (np.indices(tensor.shape)[d.axis] - d.offset) // d.inner % d.size * d.stride
    seen = np.array([tensor.view.field.at(int(i)) for i in at.flat], dtype=float).reshape(*tensor.shape, 2)
    return seen[..., 0], seen[..., 1]


@settings(max_examples=400, derandomize=True)
@given(tensors())
def test_intervals_are_the_hulls_of_the_pixels_seen(tensor: Tensor) -> None:
    """Exactly, where no border is seen, and hulls that hold what is seen elsewhere and where nothing is."""
    (low, high), (first, last) = hulls(tensor), claimed(tensor)
    assert (low >= first).all()
    assert (high <= last).all()
    inside = ~tensor.mask[..., -1] & (low <= high)
    if tensor.view.blurred or not inside.any():
        return
    low, high = low[inside], high[inside]
    assert (low == first[inside]).all()
    assert (high == last[inside]).all()
    clear = (low > low.min()) & (high < high.max())
    assert tensor.view.size >= max((high - low)[clear] + 1, default=1)


@settings(max_examples=200, derandomize=True)
@given(lines())
def test_an_unbounded_axis_is_known_exactly_inside_and_beyond_its_map(line: Line) -> None:
    step = line.view.digits[0].stride
    units = range(-10, line.size + 10)
    for unit, seen in zip(units, map(line.sees, units), strict=True):
        assert line.view.field.at(unit * step) == (min(seen, default=math.inf), max(seen, default=-math.inf))
    period = line.view.field.period
    if period == 1 or 2 * period <= line.size:
        assert line.view.size == max(max(s) - min(s) + 1 if s else 0 for s in map(line.sees, range(period)))
    assert line.view.start == min(line.sees(0), default=math.inf)
    assert line.view.units == line.size
    if line.sees(0):
        assert line.view.jump == (min(line.sees(period)) - min(line.sees(0))) / period


def agrees(tensor: Tensor) -> bool:
    """Whether every element sees the one pixel in its mask."""
    assert not tensor.view.unknown
    return all(np.array_equal(a, b) for a, b in zip(hulls(tensor), claimed(tensor), strict=True))


def folded() -> Tensor:
    """4 pixels as rows of two, and a constant row behind them."""
    mask = np.pad(np.eye(4, 5, dtype=bool).reshape(2, 2, 5), ((0, 1), (0, 0), (0, 0)))
    return Tensor(mask, View(Field(), (Digit(0, 1, 2, 2), Digit(1, 1, 2, 1)), extent=4))


def test_what_was_appended_behind_an_axis_is_in_front_once_it_is_flipped() -> None:
    rows = folded()
    flipped = called(reshaping.flip, "flip", rows, rows.mask[::-1], dims=[0])
    assert claimed(flipped)[0][1:].tolist() == [[2, 3], [0, 1]]


def test_tiles_of_an_axis_that_holds_more_than_its_map_are_blurred() -> None:
    # rows 01 23 c, twice: the fourth is 01, the second turn's 23 in a count by twos
    rows = folded()
    assert called(reshaping.repeat, "repeat", rows, np.tile(rows.mask, (2, 1, 1)), repeats=[2, 1]).view.blurred


def test_an_axis_that_holds_more_than_its_map_is_not_merged_with_an_outer_one() -> None:
    # two channels of rows 01 23 c as one axis of six: the fourth is 01 again
    rows = folded()
    outer = Tensor(np.stack([rows.mask] * 2), rows.view._replace(digits=(Digit(1, 1, 2, 2), Digit(2, 1, 2, 1))))
    assert called(reshaping.reshape, "view", outer, outer.mask.reshape(6, 2, 5)).view.blurred


def test_windows_over_tiles_start_each_tile_anew_or_are_blurred() -> None:
    # tiles 0 1 2 0 1 2: the windows of two, one apart, are 01 12 20 01 12, not 01 12 23 34 45
    tiled = called(reshaping.repeat, "repeat", image(3), np.tile(image(3).mask, (2, 1)), repeats=[2])
    unfolded = called(reshaping.windows, "unfold", tiled, np.zeros((5, 2, 4), dtype=bool), dimension=0, size=2, step=1)
    assert unfolded.view.blurred


def test_columns_of_an_image_whose_rows_are_one_axis_folded() -> None:
    # 6 pixels folded to 2 x 3: pixel r * 3 + c; windows of 1 x 2 at columns 0 and 1 of both rows
    folded = Tensor(np.eye(6, 7, dtype=bool).reshape(1, 2, 3, 7), View(Field(), (Digit(1, 1, 2, 3), Digit(2, 1, 3, 1))))
    seen = [[r * 3 + x + k for r in range(2) for x in range(2)] for k in range(2)]
    geometry = {"kernel_size": (1, 2), "stride": (1, 1), "dilation": (1, 1), "padding": (0, 0)}
    assert agrees(called(columns.unfolded, "im2col", folded, np.eye(6, 7, dtype=bool)[seen], **geometry))


@pytest.mark.parametrize(
    ("field", "units", "size"),
    [
        (Field(2, (0,), (4,)), 8, 5),  # one phase: 0 to 4
        (Field(1, (0, -1), (0, 3)), 4, 5),  # two phases that come round in four units: the larger, -1 to 3
        (Field(9, (0, 2, 5), (3, 7, 9)), 3, 6),  # the rhythm does not come round: 2 to 7, clear of pixels 0 and 9
        (Field(9, (0, 0), (9, 9)), 2, 10),  # no unit is clear of both: all count
    ],
)
def test_the_size_of_a_map_is_that_of_its_largest_interior_unit(field: Field, units: int, size: int) -> None:
    assert View(field, (Digit(0, 1, units, 1),), extent=10).size == size


def test_the_jump_is_the_distance_between_neighbours_in_pixels() -> None:
    assert View(Field(4), (Digit(0, 1, 8, 1),)).jump == 4
    assert View(Field(1, (0, 0), (0, 0)), (Digit(0, 1, 8, 1),)).jump == 0.5
    assert View(Field(), (Digit(0, 1, 4, 3), Digit(1, 1, 3, 1))).jump == 1


def test_where_a_view_does_not_reach_nothing_changes() -> None:
    view = View(Field(), (Digit(1, 1, 8, 1),))
    assert windowed(view, 0, (4, 8), Window(kernel=3, size=2)) is view
    assert sliced(view, (4, 8), Cut(0, 1, 1, 2)) is view
    assert reduced(view, [0]) is view
    assert joined(None, view) is view
    assert joined(view, None) is view
    assert windowed(None, 0, (4,), Window(kernel=3, size=2)) is None


def test_a_slice_takes_its_share_of_a_spatial_axis_only() -> None:
    view = View(Field(), (Digit(1, 1, 8, 1),))
    assert Cut(1, 2, 1, 6).share((4, 8), [view]) == 6 / 8
    assert Cut(0, 0, 1, 1).share((4, 8), [view]) == 1
    assert Cut(1, 2, 1, 1, is_select=True).share((4, 8), [view]) == 1


def test_what_a_reduction_of_a_whole_axis_was_is_remembered() -> None:
    view = View(Field(), (Digit(0, 1, 4, 1), Digit(1, 1, 3, 4)))
    part = reduced(view, [0], "mean")
    assert part is not None
    assert (part.pooled, part.is_live) == ("", True)
    whole = reduced(part, [1], "mean")
    assert whole is not None
    assert (whole.pooled, whole.is_live, whole.field.at(0)) == ("mean", False, (0, 11))
