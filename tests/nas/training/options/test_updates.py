"""How a step changes the weights: in which groups, and with an average or without."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from nas.training.optimisers import Optimisers
from nas.training.options.updates import SCALE, UpdateOptions
from nas.training.recipes import Recipe, default

MATRIX, VECTOR, NUMBER = (nn.Parameter(torch.zeros(shape)) for shape in ((2, 3), (3,), ()))
CONV = nn.Parameter(torch.zeros(4, 3, 3, 3))


def grouped(*weights: nn.Parameter, scale: float = 1.0, norm_bias_lr: float = 1.0) -> list[dict[str, Any]]:
    return UpdateOptions(norm_bias_lr=norm_bias_lr).groups(iter(weights), decay=0.1, scale=scale)


def test_norms_and_biases_have_no_decay_and_a_rate_of_their_own() -> None:
    matrices, vectors = grouped(VECTOR, MATRIX, NUMBER, CONV, norm_bias_lr=64.0, scale=0.5)
    assert matrices == {"params": [MATRIX, CONV], "weight_decay": 0.1, SCALE: 0.5}
    assert vectors == {"params": [VECTOR, NUMBER], "weight_decay": 0.0, SCALE: 32.0}


@pytest.mark.parametrize(
    ("weights", "count"), [((), 0), ((MATRIX,), 1), ((VECTOR,), 1), ((NUMBER, VECTOR), 1), ((MATRIX, VECTOR), 2)]
)
def test_no_group_is_empty(weights: tuple[nn.Parameter, ...], count: int) -> None:
    found = grouped(*weights)
    assert len(found) == count
    assert sum(len(group["params"]) for group in found) == len(weights)


def test_a_rate_of_nothing_stops_norms_and_biases_alone() -> None:
    matrices, vectors = grouped(MATRIX, VECTOR, norm_bias_lr=0.0)
    assert (matrices[SCALE], vectors[SCALE]) == (1.0, 0.0)


def stepped(recipe: Recipe, *, averaged: bool) -> tuple[nn.Linear, nn.Module | None]:
    model = nn.Linear(2, 2)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    optimisers = Optimisers(model, recipe)
    optimisers.set_rate(0.5)
    average = recipe.average_of(model) if averaged else None
    model(torch.ones(1, 2)).sum().backward()
    if average is not None:
        average.advance()
    recipe.update(optimisers, average)
    return model, None if average is None else average.model


def test_the_weights_are_updated_and_then_averaged() -> None:
    recipe = default(8)
    plain = Recipe(name="own", phases=(type(recipe.phases[0])(optimiser="sgd", momentum=0.0, nesterov=False),),
                   ema_decay=0.5)  # fmt: skip
    model, average = stepped(plain, averaged=True)
    assert not torch.equal(model.weight, torch.ones(2, 2))
    assert average is not None
    assert torch.equal(average.get_parameter("weight"), model.weight), "the first step is taken as it is"
    alone, none = stepped(plain, averaged=False)
    assert none is None
    assert torch.equal(alone.weight, model.weight)
