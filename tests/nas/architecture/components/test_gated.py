"""Gated products by hand."""

from __future__ import annotations

import pytest

from nas.architecture.components import Convolution, Gated
from nas.architecture.errors import ArchitectureError


def test_both_halves_are_made() -> None:
    gated = Gated(out=6, bias=True, post=("layer_norm", "gelu"))
    assert (gated.kind(4), gated.output((4, 3, 3)), gated.out_channels(4)) == ("gated", (6, 3, 3), 6)
    assert gated.params(4) == 12 * 4 + 12 + 2 * 12
    assert gated.macs((4, 3, 3)) == 12 * 9 * 4
    assert (gated.reach(), gated.convolutions(4)) == ((0, 0, 1), (Convolution(4, 1, 1, 1, 1),))


@pytest.mark.parametrize(
    ("post", "following"),
    [
        ((), 3),  # both halves and their product
        (("relu",), 4),  # and the activated half
        (("layer_norm",), 4),  # both halves before and after the norm
        (("tanhexp",), 4),  # both halves, tanh of exp and its product with the first
    ],
)
def test_maps_alive_at_once(post: tuple[str, ...], following: int) -> None:
    found = Gated(out=6, post=post).peak((4, 3, 3), (6, 3, 3), is_held=False)
    assert found == ((4 + 12) * 9, following * 6 * 9)


def test_what_is_no_gated_product() -> None:
    with pytest.raises(ArchitectureError, match="out of a gated convolution is 0: it must be 1 or more"):
        Gated(out=0)
    with pytest.raises(ArchitectureError, match="relu-batch_norm: the norm comes before the activation"):
        Gated(out=8, post=("relu", "batch_norm"))
