"""Channels that see different places, after operations whose order of them is not followed.

The map is that of a 3x3 convolution beside its copy, rolled by three rows, as in ``test_rearranged``.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from tests.constraints.tracing.test_rearranged import BOTH, behind

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
