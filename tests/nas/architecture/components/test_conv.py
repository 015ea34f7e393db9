"""Convolutions by hand: sizes at the edge of what fits, costs, reach, and every refusal."""

from __future__ import annotations

import pytest

from nas.architecture.components import Conv, Convolution
from nas.architecture.errors import ArchitectureError


@pytest.mark.parametrize(
    ("conv", "kind"),
    [
        (Conv(out=8), "standard"),
        (Conv(out=8, kernel=1), "pointwise"),
        (Conv(out=8, groups=4), "grouped"),
        (Conv(out=8, groups=8), "depthwise"),
        (Conv(out=16, kernel=1, groups=8), "depthwise"),
    ],
)
def test_kinds_at_eight_channels(conv: Conv, kind: str) -> None:
    assert conv.kind(8) == kind


@pytest.mark.parametrize(
    ("side", "expected"),
    [(4, None), (5, 1), (6, 1), (7, 2)],  # an unpadded 3x3 of dilation 2 covers 5 pixels
)
def test_a_map_just_too_small_just_large_enough_and_larger(side: int, expected: int | None) -> None:
    conv = Conv(out=2, stride=2, dilation=2, padding=0)
    if expected is not None:
        assert conv.output((3, side, 7)) == (2, expected, 2)
        return
    with pytest.raises(ArchitectureError, match="a 3x3 kernel of dilation 2 leaves nothing of a 4x7 map: pad it"):
        conv.output((3, side, 7))


def test_costs_of_a_convolution_by_hand() -> None:
    conv = Conv(out=8, kernel=5, stride=2, groups=2, bias=True)
    assert conv.output((4, 9, 9)) == (8, 5, 5)
    assert conv.params(4) == 8 * 2 * 25 + 8 + 2 * 8
    assert conv.macs((4, 9, 9)) == 8 * 25 * 2 * 25
    assert conv.reach() == (-2, 2, 2)
    assert conv.convolutions(4) == (Convolution(4, 5, 2, 1, 2),)


def test_padding_keeps_the_size_unless_it_is_said() -> None:
    assert Conv(out=1, kernel=5, dilation=3).pad == 6
    assert Conv(out=1, kernel=5, dilation=3) == Conv(out=1, kernel=5, dilation=3, padding=6)
    assert Conv(out=1, padding=0).reach() == (0, 2, 1)


def test_maps_alive_at_once() -> None:
    before, after = (3, 4, 4), (5, 4, 4)
    assert Conv(out=5).peak(before, after, is_held=False) == ((3 + 5) * 16, 2 * 5 * 16)
    assert Conv(out=5, post=()).peak(before, after, is_held=False) == ((3 + 5) * 16, 0)
    assert Conv(out=5, post=("batch_norm", "tanhexp")).peak(before, after, is_held=True) == (8 * 16, 3 * 5 * 16)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"out": 0}, "out of a convolution is 0: it must be 1 or more"),
        ({"out": 8, "kernel": 0}, "kernel of a convolution is 0"),
        ({"out": 8, "stride": 0}, "stride of a convolution is 0"),
        ({"out": 8, "dilation": 0}, "dilation of a convolution is 0"),
        ({"out": 8, "groups": 0}, "groups of a convolution is 0"),
        ({"out": 8, "kernel": 1, "dilation": 2}, "dilation of a 1x1 kernel has no effect: 2: leave it at 1"),
        ({"out": 8, "padding": -1}, "a convolution to 8 channels with padding -1 and 1 groups"),
        ({"out": 8, "groups": 3}, "a convolution to 8 channels with padding 1 and 3 groups"),
    ],
)
def test_what_no_convolution_can_be(values: dict[str, object], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        Conv(**values)  # type: ignore[arg-type]  # a table of cases


def test_groups_that_do_not_divide_the_input() -> None:
    with pytest.raises(ArchitectureError, match="4 groups do not divide 6 input channels: choose a divisor"):
        Conv(out=8, groups=4).output((6, 8, 8))
