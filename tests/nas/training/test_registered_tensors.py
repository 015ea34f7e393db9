"""What a user's model registers, replaces and leaves unregistered while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from nas.training.registered_tensors import RegisteredTensors, last_operation, unregistered_weights

ROWS = torch.ones(2, 3)


class Net(nn.Module):
    """A linear layer with a running mean, and what a test adds."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, 2)
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("cache", torch.zeros(1), persistent=False)


def test_a_replaced_buffer_gives_its_value_to_the_registered_one() -> None:
    net: Any = nn.Sequential(Net())
    before, registered = net[0].mean, RegisteredTensors(net)
    net[0].mean = net[0].mean * 0.5 + torch.arange(3.0)
    net[0].cache = torch.zeros(2)
    registered.settle()
    assert net[0].mean is before
    assert before.tolist() == [0.0, 1.0, 2.0]
    assert net[0].cache.shape == (2,)
    registered.settle()
    assert before.tolist() == [0.0, 1.0, 2.0]


def replaced(net: Any) -> None:
    net.last.weight = nn.Parameter(torch.zeros(2, 3))


def made(net: Any) -> None:
    net.more = nn.Linear(1, 1)


def grown(net: Any) -> None:
    net.mean = torch.zeros(4)


def counted(net: Any) -> None:
    net.mean = torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced, r"^the model replaces its parameter last\.weight while it trains, and no optimiser trains the new"),
        (made, r"^the model makes more\.weight while it trains, .*: make it in __init__"),
        (grown, r"^the buffer mean becomes another one while it trains, 4 of float32 after 3 of float32, .*: keep its"),
        (counted, "mean becomes another one while it trains, 3 of int64 after 3 of float32, "),
    ],
)
def test_what_no_optimiser_and_no_checkpoint_would_have_is_refused(change: Callable[[Any], None], message: str) -> None:
    net = Net()
    registered = RegisteredTensors(net)
    assert registered.made() == []
    change(net)
    assert registered.made() == (["more.weight", "more.bias"] if change is made else [])
    with pytest.raises(UnusableInputError, match=message):
        registered.settle()


def test_weights_that_nothing_registers_are_named_where_a_gradient_reaches_them() -> None:
    net: Any = Net()
    net.layers = [nn.Linear(3, 3), nn.Linear(3, 3)]
    net.scale = torch.ones(3, requires_grad=True)
    net.several = {"gain": torch.ones(3, requires_grad=True)}
    net.frozen = [nn.Linear(3, 3).requires_grad_(False)]
    net.register_buffer("shift", torch.zeros(3, requires_grad=True))
    inner = net.frozen[0](net.layers[0](ROWS)) * net.scale * net.several["gain"] + net.shift
    found = unregistered_weights(net, net.last(inner) @ nn.Parameter(torch.eye(2)))
    assert found == ["2x2 of float32", "layers.0.bias", "layers.0.weight", "scale", "several.gain", "shift"]
    assert unregistered_weights(net, net.last(ROWS)) == []


def test_parameters_are_those_of_the_registries_whatever_the_model_lists() -> None:
    class Grouped(Net):
        def parameters(self, recurse: bool = True) -> Any:
            return [{"params": [self.last.weight], "lr": 0.1}]

    net = Grouped()
    assert unregistered_weights(net, net.last(ROWS)) == []


def test_tensors_of_a_forward_pass_are_no_weights() -> None:
    net: Any = Net()
    at = ROWS.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net.last(at).pow(2).sum(), at, create_graph=True)
    assert unregistered_weights(net, net.last(at - slope)) == []


@pytest.mark.parametrize(
    ("end", "name"),
    [
        (torch.sigmoid, "Sigmoid"),
        (lambda x: torch.special.expit(x)[:, :, None, None].flatten(1).bfloat16(), "Sigmoid"),
        (lambda x: nn.functional.hardsigmoid(x).squeeze(), "Hardsigmoid"),
        (lambda x: x.tanh().clone(), "Tanh"),
        (lambda x: 10 * x.sigmoid(), "Mul"),
        (lambda x: x.softmax(1), "Softmax"),
        (lambda x: x.detach(), ""),
    ],
)
def test_the_last_operation_is_the_one_that_computes_values(
    end: Callable[[torch.Tensor], torch.Tensor], name: str
) -> None:
    assert last_operation(end(nn.Linear(3, 2)(ROWS))) == name
