"""Convolutions as the metrics see them."""

from __future__ import annotations

from nas.architecture.units import Convolution


def test_one_channel_is_no_depthwise() -> None:
    assert not Convolution(1, 3, 1, 1, 1).is_depthwise
    assert Convolution(2, 3, 1, 1, 2).is_depthwise
    assert Convolution(8, 1, 1, 1, 1).is_pointwise
    assert not Convolution(8, 1, 1, 1, 2).is_pointwise
    assert not Convolution(8, 3, 1, 1, 1).is_pointwise
