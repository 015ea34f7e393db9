"""The convolutions that can be changed: layers, and calls of functions in a forward method, distinguished by number."""

import torch
import torch.nn.functional as F
from torch import nn

from constraints.called_convs import watched
from constraints.conv_sites import Site, sites, told_apart
from constraints.tracer import Trace, trace


class Called(nn.Module):
    """Three convolutions as functions around a layer, the first within a part."""

    def __init__(self) -> None:
        super().__init__()
        self.part, self.layer = Part(), nn.Conv2d(8, 8, 3, padding=1)
        self.first, self.second = (nn.Parameter(torch.ones(8, 8 // g, 3, 3)) for g in (1, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer(F.conv2d(self.part(x), self.first, None, 2, 1))
        return F.conv2d(x, self.second, padding="same", groups=8)


class Part(nn.Module):
    """A layer of a user's class."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 3, 3, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight, padding=(1, 0), dilation=(1, 2))


def seen(model: nn.Module, image: tuple[int, ...]) -> tuple[Trace, tuple[Site, ...]]:
    with watched(model) as calls:
        traced = trace(model, image)
    return traced, sites(model, traced.layers, calls)


def test_layers_are_sites_each_once_and_those_of_classes_made_of_torchs() -> None:
    class Own(nn.Conv2d):
        def __init__(self, width: int) -> None:
            super().__init__(width, width, 3)

    shared = nn.Conv2d(8, 8, 3, padding=1)
    model = nn.Sequential(shared, nn.ReLU(), Own(8), shared, nn.Conv2d(8, 8, 1))
    found = sites(model, trace(model, (8, 16, 16)).layers)
    assert [(s.name, s.spatial, s.plain is None) for s in found] == [
        ("0", True, False), ("2", True, True), ("4", False, False)
    ]  # fmt: skip
    assert found[0].pixels == 16 * 16


def test_calls_in_a_forward_method_are_sites_with_what_they_were_given() -> None:
    traced, found = seen(model := Called(), (3, 16, 16))
    assert [(s.name, s.called) for s in found] == [
        ("part", ("conv2d", "part", 0)),
        ("conv2d 1", ("conv2d", "Called", 1)),
        ("layer", None),
        ("conv2d 2", ("conv2d", "Called", 2)),
    ]
    given = [(s.conv.kernel_size, s.conv.stride, s.conv.padding, s.conv.dilation, s.conv.groups) for s in found]
    assert given == [
        ((3, 1), (1, 1), (1, 0), (1, 2), 1),
        ((3, 3), (2, 2), (1, 1), (1, 1), 1),
        ((3, 3), (1, 1), (1, 1), (1, 1), 1),
        ((3, 3), (1, 1), "same", (1, 1), 8),
    ]
    assert [s.conv.in_channels for s in found] == [3, 8, 8, 8]
    assert [place.name for place in told_apart(traced.path, traced.layers)] == [s.name for s in found]
    assert "forward" not in vars(model)


def test_calls_of_another_pass_are_none_of_these() -> None:
    traced, _ = seen(model := Called(), (3, 16, 16))
    with watched(model) as calls:
        trace(model, (3, 16, 16))
    assert len(sites(model, traced.layers, calls[1:])) == 1
