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
