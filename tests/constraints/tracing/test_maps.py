"""Spatial axes of inputs, and which values are maps."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from constraints.receptive_field import Field
from constraints.tracer import trace
from constraints.tracing.axes import Digit, View
from constraints.tracing.maps import Maps
from constraints.tracing.values import Flow, Value
from tests.constraints.written import Written


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


def slid(x: torch.Tensor, m: Any) -> torch.Tensor:
    """Three axes, of which one goes to the channels."""
    return m.flat(m.deep(x).flatten(1, 2))  # type: ignore[no-any-return]  # a module of a test


@pytest.mark.parametrize(
    ("size", "run", "field"),
    [
        (
            (3, 12, 12),
            lambda m, x: m.deep(x[:, None]),
            (3, 3),
        ),  # colours are channels
        ((3, 12, 12), lambda m, x: slid(x[:, None], m), (5, 5)),
        ((4, 12, 12), lambda m, x: m.deep(x[:, None]), (3, 3)),
        ((5, 12, 12), lambda m, x: m.deep(x[:, None]), (3, 3, 3)),  # frames, or a spectrum
        ((1, 5, 12, 12), lambda m, x: m.deep(x), (3, 3, 3)),
        ((9, 12, 12), lambda m, x: slid(x[:, None], m), (5, 5)),  # the last map is one of two axes
        ((1, 9, 12, 12), lambda m, x: slid(x, m), (5, 5)),
        ((1, 9, 12, 12), lambda m, x: m.thin(m.deep(x).mean(2)), (5, 5)),
        ((1, 9, 12, 12), lambda m, x: m.thin(m.deep(x).amax(2)), (5, 5)),
        ((1, 9, 12, 12), lambda m, x: m.thin(m.deep(x)[:, :, 4]), (5, 5)),  # one frame of several
        ((1, 9, 12, 12), lambda m, x: m.thin(m.deep(x)[:, :, :, -1]), (5, 5)),
        ((1, 9, 12, 12), lambda m, x: m.thin(m.deep(x).unbind(4)[0]), (5, 5)),
        ((1, 9, 12, 12), lambda m, x: m.flat(x[:, :, 4]), (3, 3)),
        ((1, 9, 12, 12), lambda m, x: m.thin(m.deep(x)[:, :, 0] + m.deep(x)[:, :, 8]), (5, 5)),
        ((1, 9, 12, 12), lambda m, x: m.deep(torch.stack([x[:, :, i] for i in range(9)], 2)), (3, 3, 3)),
    ],
)
def test_a_map_has_two_spatial_axes_whatever_became_of_a_third(
    size: tuple[int, ...], run: Callable[..., Any], field: tuple[int, ...]
) -> None:
    parts = {"deep": nn.Conv3d(1, 4, 3, padding=1), "thin": nn.Conv2d(4, 2, 3)}
    model = Written(lambda m, x: run(m, x).mean(tuple(range(-len(field), 0))), **parts, flat=nn.LazyConv2d(2, 3))
    found = trace(model, size).metrics
    assert (found.receptive_field_hw, found.global_average_pools) == (field, 1)
    assert found.downsampled_by is not None
    assert len(found.downsampled_by) == len(field)


def test_a_pooling_of_three_axes_in_steps_is_one_of_their_map() -> None:
    model = Written(lambda m, x: m.deep(x).mean(2).mean(3).mean(2), deep=nn.Conv3d(1, 4, 3))
    found = trace(model, (1, 9, 12, 12)).metrics
    assert (found.receptive_field_hw, found.global_average_pools) == ((3, 3, 3), 1)


def test_a_mean_over_one_frame_that_no_layer_followed_leaves_the_others_out() -> None:
    model = Written(lambda m, x: m.a(x)[:, :, 2].mean((2, 3)), a=nn.Conv3d(1, 4, 3, padding=1))
    found = trace(model, (1, 5, 12, 12))
    assert (found.metrics.receptive_field_hw, found.metrics.global_average_pools) == ((3, 3), 0)
    assert any("leaves out a part of the map (4 places along one axis)" in w for w in found.warnings)


def test_a_row_of_an_image_is_no_map() -> None:
    model = Written(lambda m, x: m.b(m.a(x)[:, :, 2]).mean(2), a=nn.Conv2d(1, 4, 3), b=nn.Conv1d(4, 2, 5))
    found = trace(model, (1, 12, 12)).metrics
    assert (found.receptive_field_hw, found.global_average_pools) == ((3, 3), 0)
