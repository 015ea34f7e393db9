"""Copies whose weights neither cancel nor vanish."""

import torch
import torch.nn.functional as F
from torch import nn

from constraints.gradient_probe import probe
from constraints.linear_copy import positive


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


def test_weights_are_positive_and_average_what_they_read() -> None:
    copy = positive(nn.Conv2d(3, 4, 5))
    weight = copy.weight
    assert isinstance(weight, torch.Tensor)
    assert weight.dtype is torch.float64
    assert float(weight.min()) >= 0.5 / (3 * 25)  # each between 0.5 and 1.5 over its 75 inputs
    assert float(weight.max()) <= 1.5 / (3 * 25)
