"""Channels that see different places, after operations whose order of them is not followed.

The map is that of a 3x3 convolution beside its copy, rolled by three rows, as in ``test_rearranged``.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracer import trace
from tests.constraints.tracing.test_rearranged import BOTH, behind
from tests.constraints.written import Written

BLENDING: list[Callable[[torch.Tensor], torch.Tensor]] = [
    lambda t: F.pixel_unshuffle(t, 2),
    lambda t: F.unfold(t, 3, padding=1).view(1, 72, 24, 24),
    lambda t: t.unfold(2, 3, 1)[..., 0],
    lambda t: torch.stack([t, t], 1).amax(1),
    lambda t: F.avg_pool2d(torch.cat([t[..., :9] * 2, t[..., 9:]], 3), 3, 1, 1),  # of two pieces
]


@pytest.mark.parametrize("blend", BLENDING)
@pytest.mark.parametrize("cut", [lambda y: y[:, 4:8], lambda y: y.unbind(1)[5][:, None], lambda y: y[:, [4, 6]]])
def test_what_some_of_the_channels_see_is_not_known(blend: Callable[..., Any], cut: Callable[..., Any]) -> None:
    found = behind(lambda m, t: cut(blend(t)))
    assert found.metrics.receptive_field_hw is None
    assert "channels that see different places" in found.unknown["receptive_field"]


@pytest.mark.parametrize(
    ("move", "field"),
    [
        (lambda t: torch.stack([t, t], 1).amax(1), BOTH),
        (lambda t: F.glu(torch.cat([t, t], 1), 1)[:, :, 1:], BOTH),  # a slice of places is one of all channels
        (lambda t: F.max_pool2d(torch.stack(t[:, :4].unbind(2), 2), 3, 1, 1)[:, :2], (7, 7)),  # parts that are places
        (lambda t: F.conv2d(F.glu(torch.cat([t, t], 1), 1), torch.ones(4, 8, 1, 1))[:, :2], BOTH),
        (lambda t: torch.stack([t, t], 1).amax(1).mean(1, keepdim=True).expand(-1, 4, -1, -1)[:, :2], BOTH),
    ],
)
def test_what_all_channels_see_is_known(move: Callable[..., Any], field: tuple[int, int]) -> None:
    found = behind(lambda m, t: move(t))
    assert found.metrics.receptive_field_hw == field, found.unknown


def _strips(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The first 16 rows of one map above the rows of another."""
    return torch.cat([a[:, :, :16], b[:, :, 16:]], 2)


def _quarters(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Sixteen channels: above, eight see what ``a`` does and eight what ``b`` does; below, all see what ``a`` does."""
    return _strips(torch.cat([a, b], 1), torch.cat([a, a], 1))


def _of_two(step: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Any:
    """The trace of a step on the maps of a 3x3 and a 9x9 convolution, and a 3x3 convolution of the result."""
    layers = {"a": nn.Conv2d(3, 8, 3, padding=1), "b": nn.Conv2d(3, 8, 9, padding=4), "c": nn.LazyConv2d(4, 3)}
    return trace(Written(lambda m, x: m.c(step(m.a(x), m.b(x))), **layers), (3, 32, 32))


@pytest.mark.parametrize(
    ("step", "field"),
    [
        (lambda a, b: _strips(a, b)[:, :, 16:], (11, 11)),
        (lambda a, b: _strips(a, b).relu()[:, :, :16], (5, 5)),
        (lambda a, b: _quarters(a, b)[:, 8:, 16:], (5, 5)),
        (lambda a, b: F.pad(_quarters(a, b), (0, 0, -16, 0)), (5, 5)),
        (lambda a, b: F.pad(_quarters(a, b), (0, 0, 1, 1, 0, -8)), (5, 5)),
        (lambda a, b: F.pad(_quarters(a, b), (0, 0, 0, 0, -8, 0)), (11, 11)),
        (lambda a, b: F.glu(_quarters(a, b), 1), (11, 11)),
        (lambda a, b: F.avg_pool2d(_strips(a, b), 3, 1, 1)[..., :12], (13, 13)),  # columns of all rows
        (lambda a, b: F.avg_pool2d(_strips(a, a.relu()), 3, 1, 1)[:, :, :12], (7, 7)),  # pieces with one field
    ],
)
def test_what_pieces_of_a_map_see_is_known_where_they_are_followed_or_all_there(step: Any, field: Any) -> None:
    found = _of_two(step)
    assert found.metrics.receptive_field_hw == field, found.unknown


@pytest.mark.parametrize(
    "step",
    [
        lambda a, b: F.glu(_quarters(a, b), 1)[:, :, 16:],
        lambda a, b: F.avg_pool2d(_strips(a, b), 3, 1, 1)[:, :, :12],
        lambda a, b: (_strips(a, b) * a)[:, :, :16],
        lambda a, b: (_strips(a, b) + _strips(b, a))[:, :, ::2],
        lambda a, b: F.conv2d(_strips(a, b), torch.ones(4, 8, 1, 1)).mul(2)[:, :, 16:24],
        lambda a, b: F.avg_pool2d(_strips(a, b), 3, 1, 1).mT[..., :12].mT,
        lambda a, b: F.pad(F.avg_pool2d(_strips(a, b), 3, 1, 1), (0, 0, 0, -16)),
        lambda a, b: F.avg_pool2d(_strips(a, b), 3, 1, 1)[:, :, [0, 1, 4]],
        lambda a, b: torch.cat([F.max_pool2d(_strips(a, b), 3, 1, 1), a], 1)[:, :, :10],
    ],
)
def test_what_some_places_of_pieces_with_different_fields_see_is_not_wrong(step: Any) -> None:
    """The field of rows alone would be that of the other piece too, across them."""
    found = _of_two(step)
    if found.metrics.receptive_field_hw is None:
        assert "pieces with different fields" in found.unknown["receptive_field"]
    else:
        assert found.metrics.receptive_field_hw == (5, 5)


@pytest.mark.parametrize(
    ("cut", "field"),
    [
        (lambda y: y[:, :, 6:7], (5, 5)),
        (lambda y: y[:, :, 6][:, :, None], (5, 5)),
        (lambda y: y[:, :, 6:8], (5, 5)),
        (lambda y: y[:, :, 4:8], (5, 5)),
        (lambda y: y[:, :, 20:21], (11, 5)),
        (lambda y: y, (11, 5)),
    ],
)
def test_a_row_of_a_map_with_rows_of_different_fields_has_its_own(cut: Any, field: tuple[int, int]) -> None:
    layers = {
        "a": nn.Conv2d(3, 8, 3, padding=1),
        "b": nn.Conv2d(3, 8, (9, 3), padding=(4, 1)),
        "c": nn.LazyConv2d(4, 1),
    }
    found = trace(Written(lambda m, x: m.c(cut(F.avg_pool2d(_strips(m.a(x), m.b(x)), 3, 1, 1))), **layers), (3, 32, 32))
    assert found.metrics.receptive_field_hw == field
