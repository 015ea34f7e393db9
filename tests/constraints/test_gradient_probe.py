import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints.errors import UnusableInputError
from constraints.gradient_probe import probe, probe_axis


def test_a_chain_measures_what_its_kernels_add_up_to() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 4, (1, 5), dilation=2))
    assert probe(model, (3, 32, 32)) == (3, 3 + 4 * 2 * 2)


def test_a_maximum_is_seen_whole() -> None:
    assert probe(nn.Sequential(nn.MaxPool2d(3, 2), nn.MaxPool2d(2, 1, dilation=2)), (1, 32, 32)) == (7, 7)


def test_gates_are_left_aside() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.a(x)
            gate: torch.Tensor = self.b(y.mean((2, 3), keepdim=True))
            return torch.mul(y, gate.sigmoid())

    assert probe(Gated(), (3, 16, 16)) == (3, 3)


def test_several_units_find_the_largest_phase() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 2))
    assert probe(model, (3, 32, 32), units=4) == (5, 5)  # two neighbours of 3 pixels, 2 apart


def test_a_strip_that_is_too_short_is_refused_by_name() -> None:
    with pytest.raises(UnusableInputError, match="no unit's field fits into a strip of 16 pixels: give the probe"):
        probe(nn.Conv2d(3, 4, 15), (3, 16, 16), longest=16)
    assert probe_axis(nn.Conv2d(3, 4, 15), (3, 15, 15), 0) is None


def test_a_model_without_maps_is_refused() -> None:
    with pytest.raises(UnusableInputError, match="no map to probe: Flat makes no tensor of 4 axes"):
        probe(Flat(), (3, 8, 8))


class Flat(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x.flatten(1), torch.ones(2, x[0].numel(), dtype=x.dtype))


def test_the_model_is_left_alone() -> None:
    model = nn.Conv2d(3, 4, 3)
    before = model.weight.detach().clone()
    probe(model, (3, 8, 8))
    assert torch.equal(model.weight, before)
    assert model.training
    assert model.weight.requires_grad


class Masked(nn.Module):
    """A kernel of 5 of which a buffer masks all but the first row: 1 high and 5 wide."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 5, padding=2)
        self.register_buffer("mask", torch.zeros(5, 5))
        self.get_buffer("mask")[0] = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.conv.weight * self.get_buffer("mask"), padding=2)


def test_buffers_are_kept() -> None:
    assert probe(Masked(), (3, 16, 16)) == (1, 5)


def test_layers_that_are_registered_nowhere_are_measured_too() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kept = [nn.Conv2d(3, 4, 3)]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.kept[0](x)
            return result

    assert probe(Hidden(), (3, 16, 16)) == (3, 3)


def test_a_write_past_the_gradients_is_measured_too() -> None:
    class Past(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 5, padding=2)

        @torch.no_grad()
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.a(x)
            y.data.add_(self.b(x).detach())
            return y

    assert probe(Past(), (3, 16, 16)) == (5, 5)
