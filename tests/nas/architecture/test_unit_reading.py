"""Units, as a graph has them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from nas.architecture.blocks import make
from nas.architecture.graph import Graph
from nas.architecture.held_tensors import Tensors
from nas.architecture.unit_reading import read_unit
from nas.architecture.units import Conv, Excite, Gated, Mixed, Part, Unit, Unshuffle


def unit_of(model: nn.Module) -> Unit:
    """The first unit of a model of 8 channels, which is followed by a flattening."""
    graph = Graph(nn.Sequential(model, nn.Flatten()).eval(), (8, 8, 8))
    return read_unit(Tensors(graph), graph.images, None)[0]


@pytest.mark.parametrize(
    "unit",
    [
        Conv(out=12, kernel=5, stride=2), Conv(out=8, kernel=3, dilation=2, groups=8, bias=True, post=()),
        Gated(out=4, bias=True, post=()),
        Mixed(parts=(Part(3), Part(5, 1, 3))), Excite(reduction=2), Unshuffle(factor=2),
    ],
)  # fmt: skip
def test_a_unit_is_read_as_it_was_made(unit: Unit) -> None:
    assert unit_of(make(unit.call(8))) == unit


def test_padding_by_name_is_that_of_both_sides() -> None:
    assert unit_of(nn.Conv2d(8, 8, 3, padding="same", dilation=2)) == Conv(out=8, dilation=2, bias=True, post=())
    assert unit_of(nn.Conv2d(8, 8, 3, padding="valid")) == Conv(out=8, padding=0, bias=True, post=())


class TwoWays(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = self.one(x) * self.two(x)
        return product


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Conv2d(8, 8, (3, 1)), "its kernel is 3x1: make it square"),
        (nn.Conv2d(8, 8, 2, padding="same"), "its padding differs from side to side: take an odd kernel"),
        (nn.MaxPool2d(2), "write the model as a chain of convolutions"),
        (TwoWays(), "2 operations take its result, and they are not a residual block"),
    ],
)
def test_what_is_no_unit_is_named(model: nn.Module, message: str) -> None:
    with pytest.raises(UnusableInputError, match=message):
        unit_of(model)
