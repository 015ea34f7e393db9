"""Networks with equal layers are equal only where their forward passes read equal values."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from constraints.sandbox.equal_networks import are_equal


def scaled(net: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.mul(x, net.scale)


class Net(nn.Module):
    """A network that keeps all it is given."""

    def __init__(self, **given: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        vars(self).update(given)


class Direct(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) if self.flag else x


class ByMethod(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)

    def inner(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) if self.flag else x


class ByProperty(Net):
    @property
    def is_on(self) -> bool:
        return bool(self.flag)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) if self.is_on else x


class ByCachedProperty(Net):
    @cached_property
    def is_on(self) -> bool:
        return bool(self.flag)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) if self.is_on else x


class ByFunction(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return scaled(self, x)


class ByName(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) if getattr(self, "fl" + "ag") else x


class InInner(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.conv(p) if self.flag else p for p in x.chunk(2)])


class Derived(Direct):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)


@pytest.mark.parametrize("kind", [Direct, ByMethod, ByProperty, ByCachedProperty, ByName, InInner, Derived])
def test_what_the_forward_pass_reads_counts(kind: Callable[..., Net]) -> None:
    assert are_equal(kind(flag=True), kind(flag=True))
    assert not are_equal(kind(flag=True), kind(flag=False))


def test_what_a_function_reads_that_the_forward_pass_calls_counts() -> None:
    assert not are_equal(ByFunction(scale=1), ByFunction(scale=2))


def test_what_only_the_constructor_or_other_methods_read_does_not_count() -> None:
    assert are_equal(Direct(flag=True, verbose=True), Direct(flag=True, verbose=False))
    assert are_equal(Direct(flag=True, name="a"), Direct(flag=True))


class Counting(Net):
    calls: int

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.relu(self.conv(x))


def test_a_counter_of_the_forward_pass_does_not_count() -> None:
    assert are_equal(Counting(calls=0), Counting(calls=5))


class Table:
    def __init__(self, width: int) -> None:
        self.width = width


def closure(slope: float) -> Callable[[float], float]:
    return lambda x: x * slope


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ([1, "a"], [1, "a"], [1, "b"]),
        ({"a": (1, 2)}, {"a": (1, 2)}, {"a": (1, 3)}),
        (Table(3), Table(3), Table(4)),
        (SimpleNamespace(a=1), SimpleNamespace(a=1), SimpleNamespace(a=2)),
        (closure(0.1), closure(0.1), closure(0.2)),
        (partial(pow, 2), partial(pow, 2), partial(pow, 3)),
        (torch.zeros(3), torch.ones(3), torch.zeros(4)),
        (nn.ReLU, nn.ReLU, nn.GELU),
        ([nn.ReLU()], [nn.ReLU()], [nn.GELU()]),
        (None, None, 1),
        (1, 1, 1.5),
    ],
)
def test_values_of_every_kind_are_compared(one: Any, same: Any, other: Any) -> None:
    assert are_equal(Direct(flag=one), Direct(flag=same))
    assert not are_equal(Direct(flag=one), Direct(flag=other))


def test_values_that_contain_themselves_are_compared() -> None:
    one, other = [1], [1]
    one.append(one)  # type: ignore[arg-type]  # a list in itself
    other.append(other)  # type: ignore[arg-type]
    assert are_equal(Direct(flag=one), Direct(flag=other))


def test_other_layers_make_another_network() -> None:
    other = Direct(flag=True)
    other.conv = nn.Conv2d(3, 8, 5)
    assert not are_equal(Direct(flag=True), other)


def test_how_much_is_dropped_does_not_count() -> None:
    assert are_equal(nn.Sequential(nn.Dropout(0.1)), nn.Sequential(nn.Dropout(0.5)))
    assert not are_equal(nn.Sequential(nn.Dropout(0.1)), nn.Sequential(nn.Dropout2d(0.1)))


def _unbound() -> Callable[[], Any]:
    """A function that closes over a variable without a value."""

    def inner() -> Any:
        return later

    if inner.__name__ == "other":
        later = 1
    return inner


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ({1, 2}, {2, 1}, True),
        ({1, 2}, {1, 3}, False),
        (frozenset("a"), frozenset("b"), False),
        (range(3), range(4), False),
        (np.zeros(3), np.ones(3), True),
        (np.zeros(3), np.zeros(4), False),
        (_unbound(), _unbound(), True),
        (SimpleNamespace(a={1}), SimpleNamespace(a={2}), False),
    ],
)
def test_values_without_attributes_are_compared_as_a_whole(one: Any, other: Any, wanted: bool) -> None:
    assert are_equal(Direct(flag=one), Direct(flag=other)) is wanted
