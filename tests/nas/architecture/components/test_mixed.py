"""Mixtures of depthwise convolutions by hand."""

from __future__ import annotations

import pytest

from nas.architecture.components import Convolution, Mixed, MixedPart, read_parts
from nas.architecture.errors import ArchitectureError


def test_parts_are_read_and_written() -> None:
    parts = (MixedPart(1, 1, 1), MixedPart(3, 1, 1), MixedPart(7, 3, 3))
    assert read_parts("1_3_7d3a3") == parts
    assert list(map(str, parts)) == ["1", "3", "7d3a3"]


def test_a_mixture_by_hand() -> None:
    mixed = Mixed(parts=(MixedPart(1), MixedPart(3), MixedPart(5, 2, 3)), bias=True)
    assert mixed.output((6, 9, 8)) == (6, 9, 8)
    assert mixed.params(6) == 2 * (9 + 1) + 2 * (25 + 1) + 2 * 6  # shares of two channels; the first passes
    assert mixed.macs((6, 9, 8)) == 2 * 72 * (9 + 25)
    assert mixed.reach() == (-5, 5, 1)  # 2 * (5 - 1) / 2, and one more from the pool
    assert mixed.convolutions(6) == (Convolution(2, 3, 1, 1, 2), Convolution(2, 5, 1, 2, 2))
    assert Mixed(parts=(MixedPart(3), MixedPart(5)), stride=2).output((4, 9, 8)) == (4, 5, 4)
    with pytest.raises(ArchitectureError, match="3 parts do not divide 8 channels"):
        mixed.output((8, 9, 8))


@pytest.mark.parametrize(
    ("parts", "stride", "message"),
    [
        ((MixedPart(4), MixedPart(3)), 1, r"a part of a mixed convolution is \(4, 1, 1\): kernel and pool must be odd"),
        ((MixedPart(3, 0), MixedPart(3)), 1, "dilation 1 or more"),
        ((MixedPart(3, 1, 2), MixedPart(3)), 1, "kernel and pool must be odd"),
        ((MixedPart(3), MixedPart(5)), 0, "a part of a mixed convolution is"),
        ((MixedPart(1, 2), MixedPart(3)), 1, "a part of kernel 1 passes its channels as they are"),
        ((MixedPart(1), MixedPart(3)), 2, "a part of kernel 1 passes its channels as they are"),
        ((MixedPart(3), MixedPart(3)), 1, "a mixed convolution needs parts that differ"),
        ((MixedPart(3),), 1, "a mixed convolution needs parts that differ"),
    ],
)
def test_what_is_no_mixture(parts: tuple[MixedPart, ...], stride: int, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        Mixed(parts=parts, stride=stride)


def test_maps_alive_at_once() -> None:
    before = after = (4, 3, 3)
    plain = Mixed(parts=(MixedPart(3), MixedPart(5)))
    # The second share of two is written while the input and the first are alive; then both and their concatenation.
    assert plain.peak(before, after, is_held=False) == ((4 + 2 + 2) * 9, 2 * 4 * 9)
    assert plain.peak(before, after, is_held=True).reading == (4 + 4 + 4) * 9  # joined while the input is held
    passing = Mixed(parts=(MixedPart(1), MixedPart(5)), post=())
    assert passing.peak(before, after, is_held=False) == ((4 + 2 + 4) * 9, 0)  # a share of the input is joined itself
