"""Components, as a graph has them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from nas.architecture.blocks import make
from nas.architecture.component_reading import read_component
from nas.architecture.components import Component, Conv, Excite, Gated, Mixed, MixedPart, Unshuffle
from nas.architecture.graph import Graph
from nas.architecture.held_tensors import Tensors


def component_of(model: nn.Module) -> Component:
    """The first component of a model of 8 channels, which is followed by a flattening."""
    graph = Graph(nn.Sequential(model, nn.Flatten()).eval(), (8, 8, 8))
    return read_component(Tensors(graph), graph.images, None)[0]


@pytest.mark.parametrize(
    "component",
    [
        Conv(out=12, kernel=5, stride=2), Conv(out=8, kernel=3, dilation=2, groups=8, bias=True, post=()),
        Gated(out=4, bias=True, post=()),
        Mixed(parts=(MixedPart(3), MixedPart(5, 1, 3))), Excite(reduction=2), Unshuffle(factor=2),
    ],
)  # fmt: skip
def test_a_component_is_read_as_it_was_made(component: Component) -> None:
    assert component_of(make(component.call(8))) == component


def test_padding_by_name_is_that_of_both_sides() -> None:
    assert component_of(nn.Conv2d(8, 8, 3, padding="same", dilation=2)) == Conv(out=8, dilation=2, bias=True, post=())
    assert component_of(nn.Conv2d(8, 8, 3, padding="valid")) == Conv(out=8, padding=0, bias=True, post=())


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
def test_what_is_no_component_is_named(model: nn.Module, message: str) -> None:
    with pytest.raises(UnusableInputError, match=message):
        component_of(model)
