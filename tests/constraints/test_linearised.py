"""A forward pass made linear while it runs."""

import torch
from torch import nn

from constraints.gradient_probe import probe


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
