"""Squeeze-and-excitation by hand."""

from __future__ import annotations

import pytest

from nas.architecture.components import Excite
from nas.architecture.errors import ArchitectureError


@pytest.mark.parametrize(("channels", "reduction", "hidden"), [(8, 4, 2), (7, 4, 1), (3, 4, 1), (8, 1, 8), (9, 2, 4)])
def test_the_width_between_the_layers_of_a_gate(channels: int, reduction: int, hidden: int) -> None:
    excite = Excite(reduction=reduction)
    assert excite.hidden(channels) == hidden
    assert excite.params(channels) == (channels * hidden + hidden) + (hidden * channels + channels)
    assert excite.macs((channels, 5, 5)) == 2 * channels * hidden
    assert (excite.output((channels, 5, 5)), excite.reach(), excite.convolutions(channels)) == (
        (channels, 5, 5), (0, 0, 1), (),
    )  # fmt: skip


def test_a_reduction_below_one() -> None:
    with pytest.raises(ArchitectureError, match="reduction of a squeeze-and-excitation is 0: it must be 1 or more"):
        Excite(reduction=0)


def test_maps_alive_at_once() -> None:
    assert Excite().peak((8, 3, 3), (8, 3, 3), is_held=False) == (8 * 9 + 8 * 9 + 8, 0)  # input, result and the gate
    assert Excite.gates
