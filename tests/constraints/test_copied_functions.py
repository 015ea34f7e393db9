"""Functions of a copied model call the copy."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import pytest
import torch
from torch import nn

from constraints.model_state import copied

X = torch.ones(2, 3)


class Net(nn.Module):
    """A linear layer behind a function of a test."""

    way: Any

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.kept = nn.Linear(3, 3), dict[str, torch.Tensor]()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        way = (
            self.way[0]
            if isinstance(self.way, (list, tuple))
            else self.way["a"]
            if isinstance(self.way, dict)
            else self.way
        )
        return way(x)  # type: ignore[no-any-return]


def by_layer(net: Net) -> object:
    layer = net.layer
    return lambda x: layer(x).clone()


def by_list(net: Net) -> object:
    layers = [net.layer, nn.ReLU()]
    return lambda x: layers[0](x).clone()


def by_method(net: Net) -> object:
    method = net.layer.forward
    return lambda x: method(x) * 1


def by_itself(net: Net) -> object:
    def deeper(x: torch.Tensor, times: int = 2) -> torch.Tensor:
        return deeper(x, times - 1) if times else net.layer(x)

    return deeper


def by_another(net: Net) -> object:
    def inner(x: torch.Tensor) -> torch.Tensor:
        return net.layer(x)  # type: ignore[no-any-return]

    return lambda x: inner(x).clone()


@pytest.mark.parametrize(
    "make",
    [
        lambda net: lambda x: net.layer(x).clone(),
        lambda net: lambda x, net=net: net.layer(x),
        lambda net: lambda x, *, net=net: net.layer(x),
        lambda net: [lambda x: net.layer(x).clone()],
        lambda net: {"a": lambda x: net.layer(x).clone()},
        by_layer,
        by_list,
        by_another,
        by_method,
        by_itself,
        lambda net: (lambda x: net.layer(x).clone(),),
    ],
)
def test_a_function_of_a_copy_calls_the_copy(make: Callable[[Net], object]) -> None:
    model = Net()
    model.way = make(model)
    made = copied(nn.Sequential(model))
    inner: Any = made[0]
    with torch.no_grad():
        inner.layer.weight.zero_(), inner.layer.bias.fill_(7)
    assert made(X).tolist() == [[7.0] * 3] * 2
    assert torch.equal(model(X), model.layer(X))
    assert not torch.equal(model(X), made(X))


def test_hooks_of_a_copy_write_to_the_copy() -> None:
    model = Net()
    model.layer.register_forward_hook(lambda _, __, found: model.kept.update(found=found))
    model.way = model.layer
    made = copied(model)
    made(X)
    assert (set(made.kept), set(model.kept)) == ({"found"}, set())


def test_functions_without_parts_of_the_model_stay_the_same() -> None:
    model, factor, functions = Net(), [2.0], Net()
    model.way, functions.way = (lambda x: x * factor[0]), torch.relu
    made = copied(model)
    assert made.way is model.way
    assert isinstance(made.way, FunctionType)
    assert copied(functions).way is torch.relu
