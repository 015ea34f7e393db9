"""A network that is made again is known to be the trained one by its outputs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from nas.search import weights_file
from nas.search.given_outputs import OUTPUTS, check_outputs, outputs_text

SHAPE = (3, 4, 4)


class Scaled(nn.Module):
    """A linear layer whose result is multiplied by a number that is no buffer."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.layer, self.factor = nn.Linear(48, 2), factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.flatten(1)) * self.factor  # type: ignore[no-any-return]


def test_the_same_weights_with_another_value_beside_them_are_another_network(tmp_path: Path) -> None:
    trained, file = Scaled(2.0), tmp_path / "weights.safetensors"
    weights_file.save(trained.state_dict(), file, {OUTPUTS: outputs_text(trained, SHAPE)})
    weights_file.check(file)
    again, other = Scaled(2.0), Scaled(2.1)
    for model in (again, other):
        model.load_state_dict(trained.state_dict())

    check_outputs(again, SHAPE, file)
    with pytest.raises(UnusableInputError, match="has other outputs than the trained one: it keeps values outside"):
        check_outputs(other, SHAPE, file)
    assert trained.training


def test_a_network_without_outputs_is_not_compared(tmp_path: Path) -> None:
    model, file = Scaled(float("nan")), tmp_path / "weights.safetensors"
    assert outputs_text(model, SHAPE) == outputs_text(model, (3, 9, 9)) == ""
    weights_file.save(model.state_dict(), file, {OUTPUTS: ""})
    check_outputs(model, SHAPE, file)


def test_random_outputs_are_drawn_from_one_seed(tmp_path: Path) -> None:
    model, file = nn.Sequential(nn.Flatten(), nn.Linear(48, 2), nn.RReLU(0.1, 0.9)), tmp_path / "weights.safetensors"
    model[2].eval = lambda: model[2]  # type: ignore[method-assign]
    weights_file.save(model.state_dict(), file, {OUTPUTS: outputs_text(model, SHAPE)})
    torch.rand(5)
    check_outputs(model, SHAPE, file)
