"""Mixtures of depthwise convolutions by hand."""

from __future__ import annotations

import pytest

from nas.architecture.components import Convolution, Mixed, Part, read_parts
from nas.architecture.errors import ArchitectureError


def test_parts_are_read_and_written() -> None:
    parts = (Part(1, 1, 1), Part(3, 1, 1), Part(7, 3, 3))
    assert read_parts("1_3_7d3a3") == parts
    assert list(map(str, parts)) == ["1", "3", "7d3a3"]


def test_a_mixture_by_hand() -> None:
    mixed = Mixed(parts=(Part(1), Part(3), Part(5, 2, 3)), bias=True)
    assert mixed.output((6, 9, 8)) == (6, 9, 8)
    assert mixed.params(6) == 2 * (9 + 1) + 2 * (25 + 1) + 2 * 6  # shares of two channels; the first passes
    assert mixed.macs((6, 9, 8)) == 2 * 72 * (9 + 25)
    assert mixed.reach() == (-5, 5, 1)  # 2 * (5 - 1) / 2, and one more from the pool
    assert mixed.convolutions(6) == (Convolution(2, 3, 1, 1, 2), Convolution(2, 5, 1, 2, 2))
    assert Mixed(parts=(Part(3), Part(5)), stride=2).output((4, 9, 8)) == (4, 5, 4)
    with pytest.raises(ArchitectureError, match="3 parts do not divide 8 channels"):
        mixed.output((8, 9, 8))


@pytest.mark.parametrize(
    ("parts", "stride", "message"),
    [
        ((Part(4), Part(3)), 1, r"a part of a mixed convolution is \(4, 1, 1\): kernel and pool must be odd"),
        ((Part(3, 0), Part(3)), 1, "dilation 1 or more"),
        ((Part(3, 1, 2), Part(3)), 1, "kernel and pool must be odd"),
        ((Part(3), Part(5)), 0, "a part of a mixed convolution is"),
        ((Part(1, 2), Part(3)), 1, "a part of kernel 1 passes its channels as they are"),
        ((Part(1), Part(3)), 2, "a part of kernel 1 passes its channels as they are"),
        ((Part(3), Part(3)), 1, "a mixed convolution needs parts that differ"),
        ((Part(3),), 1, "a mixed convolution needs parts that differ"),
    ],
)
def test_what_is_no_mixture(parts: tuple[Part, ...], stride: int, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        Mixed(parts=parts, stride=stride)


def test_maps_alive_at_once() -> None:
    before = after = (4, 3, 3)
    plain = Mixed(parts=(Part(3), Part(5)))
    # The second share of two is written while the input and the first are alive; then both and their concatenation.
    assert plain.peak(before, after, is_held=False) == ((4 + 2 + 2) * 9, 2 * 4 * 9)
    assert plain.peak(before, after, is_held=True).reading == (4 + 4 + 4) * 9  # joined while the input is held
    passing = Mixed(parts=(Part(1), Part(5)), post=())
    assert passing.peak(before, after, is_held=False) == ((4 + 2 + 4) * 9, 0)  # a share of the input is joined itself
