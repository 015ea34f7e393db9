"""What a user is told of a model that is trained in another way than its code may lead to expect."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from nas.training.given_doubts import Tried, doubts
from nas.training.given_model import GivenModel

IMAGES = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
NONE = Tried(gives_probabilities=False, changing=(), untrained=(), last="Addmm")


class Net(nn.Module):
    """Mean colours through a linear layer, and what a test does with them before it."""

    def __init__(self, way: Callable[[Net, torch.Tensor], torch.Tensor] = lambda net, x: x) -> None:
        super().__init__()
        self.last, self.way = nn.Linear(3, 10), way
        self.norm = nn.BatchNorm1d(3, track_running_stats=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """N x 3 x H x W to N x 10."""
        found: torch.Tensor = self.last(self.way(self, images.mean((2, 3))))
        return found


def said(model: nn.Module, **tried: Any) -> list[str]:
    torch.manual_seed(0)
    return list(doubts(GivenModel(model, 10), IMAGES, Tried(**{**vars(NONE), **tried})))


def test_of_an_ordinary_model_nothing_is_said() -> None:
    assert said(Net()) == []


def test_values_that_change_are_named_up_to_three() -> None:
    (one,) = said(Net(), changing=["seen"])
    assert one.startswith("seen changes in training outside of the state_dict: ")
    (several,) = said(Net(), changing=["a", "b", "c", "d"])
    assert several.startswith("a, b, c change in training outside of the state_dict: ")


def test_weights_that_are_not_registered_are_named_with_the_number_of_the_others() -> None:
    (one,) = said(Net(), untrained=["layers.0.bias"])
    assert one.startswith("not trained, though the outputs depend on it, ")
    assert ": layers.0.bias: register it" in one
    (several,) = said(Net(), untrained=["a", "b", "c", "d", "e"])
    assert ": a, b, c and 2 more: register it" in several


@pytest.mark.parametrize(
    ("last", "name", "least"),
    [
        ("Sigmoid", "a sigmoid", math.log((math.e + 9) / math.e)),  # logits of 1 and, nine times, 0
        ("Hardsigmoid", "a hard sigmoid", math.log((math.e + 9) / math.e)),
        ("Tanh", "a tanh", math.log((math.e**2 + 9) / math.e**2)),
    ],
)
def test_bounded_outputs_are_said_with_the_least_loss_that_they_allow(last: str, name: str, least: float) -> None:
    (line,) = said(Net(), last=last)
    assert line.startswith(f"the model ends in {name}, ")
    assert f"cannot fall below {least:.2f} with 10 classes: let its forward method return what goes into it" in line


def test_methods_by_which_lightning_trains_are_said_to_be_unused() -> None:
    class Lit(Net):
        def configure_optimizers(self) -> object:
            return torch.optim.SGD(self.parameters(), 0.1)

    class Both(Lit):
        def training_step(self, batch: object, index: int) -> object:
            return batch, index

    assert said(Lit())[0].startswith("configure_optimizers of the model is not called: it is trained as candidates are")
    assert said(Both())[0].startswith("training_step and configure_optimizers of the model are not called: ")


@pytest.mark.parametrize(
    "way",
    [
        lambda net, x: net.norm(x),
        lambda net, x: x - x.mean(0),
        lambda net, x: x.softmax(0),
        lambda net, x: x.roll(1, 0),
    ],
)
def test_images_that_change_each_other_s_outputs_are_said(way: Callable[[Net, torch.Tensor], torch.Tensor]) -> None:
    (line,) = said(Net(way))
    assert line.startswith("in eval mode the model's outputs for an image depend on the other images of its batch: ")
    assert "batches of 100 images" in line


def test_random_outputs_are_said_once() -> None:
    assert said(Net(lambda net, x: x + torch.rand_like(x))) == [
        "the model gives other outputs for the same images in eval mode: each evaluation has another accuracy"
    ]


def test_code_that_needs_a_whole_batch_is_left_to_its_evaluation() -> None:
    def whole(net: Net, x: torch.Tensor) -> torch.Tensor:
        assert len(x) == 8
        return x

    assert said(Net(whole)) == []


def test_a_forward_pass_that_seeds_is_said_and_one_that_draws_is_not() -> None:
    def seeding(net: Net, x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return nn.functional.dropout(x, training=net.training)

    state = torch.random.get_rng_state()
    (line,) = said(Net(seeding))
    assert line.startswith("the model's forward pass seeds torch's random numbers: dropout and what the recipe draws")
    assert said(Net(lambda net, x: nn.functional.dropout(x, training=net.training))) == []
    torch.random.set_rng_state(state)
