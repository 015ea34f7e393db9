"""A network that is made again is known to be the trained one by its outputs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from nas.search import weights_file
from nas.search.given_outputs import OUTPUTS, WHY_NONE, check_outputs, outputs_metadata

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
    weights_file.save(trained.state_dict(), file, outputs_metadata(trained, SHAPE))
    weights_file.check(file)
    again, other = Scaled(2.0), Scaled(2.1)
    for model in (again, other):
        model.load_state_dict(trained.state_dict())

    check_outputs(again, SHAPE, file)
    with pytest.raises(UnusableInputError, match="has other outputs than the trained one: it keeps values outside"):
        check_outputs(other, SHAPE, file)
    assert trained.training


def test_a_network_without_outputs_is_not_compared_with_the_reason(tmp_path: Path) -> None:
    model, file = Scaled(float("nan")), tmp_path / "weights.safetensors"
    assert outputs_metadata(model, SHAPE) == {WHY_NONE: "its outputs are infinite or not a number"}
    (why,) = outputs_metadata(model, (3, 9, 9)).values()
    assert why.startswith("it does not run on 2 images: RuntimeError: ")
    assert "2x243 and 48x2" in why
    weights_file.save(model.state_dict(), file, {WHY_NONE: why})
    assert check_outputs(model, SHAPE, file) == why
    weights_file.save(model.state_dict(), file, {OUTPUTS: ""})  # as earlier releases wrote it
    assert check_outputs(model, SHAPE, file) == ""


def test_a_network_that_does_not_run_any_more_is_refused_with_its_error(tmp_path: Path) -> None:
    model, file = Scaled(2.0), tmp_path / "weights.safetensors"
    weights_file.save(model.state_dict(), file, outputs_metadata(model, SHAPE))
    model.factor = None  # type: ignore[assignment]
    with pytest.raises(
        UnusableInputError, match="cannot be compared with the trained one: it does not run on 2 images: T"
    ):
        check_outputs(model, SHAPE, file)


@pytest.mark.parametrize("draw", [random.random, np.random.rand])
def test_numbers_of_any_seeded_generator_are_drawn_from_one_seed(tmp_path: Path, draw: Callable[[], float]) -> None:
    model, file = Scaled(2.0), tmp_path / "weights.safetensors"
    model.register_forward_hook(lambda _, __, found: found + draw())
    random.seed(5)
    np.random.seed(5)
    weights_file.save(model.state_dict(), file, outputs_metadata(model, SHAPE))
    states = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    assert check_outputs(model, SHAPE, file) == ""
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states  # type: ignore[index]


def test_outputs_that_differ_each_time_are_not_stored() -> None:
    model, numbers = Scaled(2.0), itertools.count()
    model.register_forward_hook(lambda _, __, found: found + next(numbers))
    assert outputs_metadata(model, SHAPE) == {WHY_NONE: "it gives other outputs for the same images each time"}


def test_random_outputs_are_drawn_from_one_seed(tmp_path: Path) -> None:
    model, file = nn.Sequential(nn.Flatten(), nn.Linear(48, 2), nn.RReLU(0.1, 0.9)), tmp_path / "weights.safetensors"
    model[2].eval = lambda: model[2]  # type: ignore[method-assign]
    weights_file.save(model.state_dict(), file, outputs_metadata(model, SHAPE))
    torch.rand(5)
    check_outputs(model, SHAPE, file)
