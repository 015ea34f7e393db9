"""What a model keeps outside of its state_dict, and which of it a forward pass changes."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from nas.training.unstored_values import changed_values, unstored_values


class Keeping(nn.Module):
    """A model with values of every kind, some of which its forward pass changes."""

    scale: torch.Tensor
    stored: torch.Tensor
    last: torch.Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.inner = nn.BatchNorm1d(2), nn.Sequential(nn.ReLU())
        self.register_buffer("scale", torch.tensor([1.0, torch.nan]), persistent=False)
        self.register_buffer("stored", torch.zeros(1))
        self.calls, self.table, self.name, self.last = 0, np.zeros(2), "a", None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.table += 1
        self.scale = self.scale * 2
        self.stored += 1
        self.last = x
        return self.layer(x)  # type: ignore[no-any-return]


def test_what_a_forward_pass_changes_outside_of_the_state_dict_is_found() -> None:
    model = nn.Sequential(Keeping())
    before = unstored_values(model)

    assert sorted(before) == ["0.calls", "0.scale", "0.table"]
    assert changed_values(model, before) == []
    model(torch.ones(3, 2))
    assert changed_values(model, before) == ["0.calls", "0.scale", "0.table"]
    assert before["0.calls"] == 0  # copies
    assert not before["0.table"].any()
