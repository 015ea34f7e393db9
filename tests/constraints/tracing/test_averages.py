"""Global averages that are written as sums, and sums that are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracer import Trace, trace
from tests.constraints.written import Written

Run = Callable[[Any], Any]


def traced(run: Run) -> Trace:
    """Of a network whose last map has 8 by 4 units that see 3 by 5 pixels."""
    parts = {"conv": nn.Conv2d(3, 5, (3, 5)), "linear": nn.Linear(5, 2)}
    return trace(Written(lambda m, x: m.linear(run(m.conv(x))), **parts), (3, 10, 8))


def in_a_loop(y: torch.Tensor) -> torch.Tensor:
    """The sum of all columns, in place."""
    total = torch.zeros(1, 5, 8)
    for column in range(4):
        total += y[..., column]
    return total


def leaky(y: torch.Tensor) -> torch.Tensor:
    """A leaky ReLU, written out."""
    return torch.relu(y) - 0.1 * torch.relu(-y)


def squared(y: torch.Tensor) -> torch.Tensor:
    """A tensor times itself."""
    return y * y


def twice(y: torch.Tensor) -> torch.Tensor:
    """A tensor and itself."""
    return y + y


def swish(y: torch.Tensor) -> torch.Tensor:
    """A SiLU, written out."""
    return y * y.sigmoid()


AVERAGES: dict[str, Run] = {
    "divided after": lambda y: y.sum((2, 3)) / 32,
    "divided before": lambda y: (y / 32).sum((2, 3)),
    "divided between": lambda y: (y.sum(2) / 8).sum(2) / 4,
    "in two divisions": lambda y: y.sum((2, 3)) / 8 / 4,
    "a sum and a mean": lambda y: y.sum(2).mean(2) / 8,
    "a mean and a sum": lambda y: y.mean(2).sum(2) * 0.25,
    "of an activation": lambda y: (y / 32).relu().sum((2, 3)),
    "with a variance": lambda y: torch.var_mean(y, (2, 3))[1],
    "with a deviation": lambda y: torch.std_mean(y, (2, 3))[1],
    "columns one by one": lambda y: sum(y.unbind(3)).sum(2) / 32,
    "columns, then rows": lambda y: sum(sum(y.unbind(3)).unbind(2)) / 32,
    "columns, then a mean": lambda y: sum(y.unbind(3)).mean(2) / 4,
    "places one by one": lambda y: sum(y.flatten(2).unbind(2)) / 32,
    "each place divided": lambda y: sum(column / 4 for column in y.unbind(3)).mean(2),
    "a loop": lambda y: in_a_loop(y).sum(2) / 32,
    "a scaled map": lambda y: (y * 0.5).sum((2, 3)) / 32,
    "with a mask of ones": lambda y: (y * torch.ones(1, 1, 8, 4)).sum((2, 3)) / torch.ones(1, 1, 8, 4).sum((2, 3)),
    "over at least one": lambda y: y.sum((2, 3)) / torch.ones(1, 1, 8, 4).sum((2, 3)).clamp(min=1),
    "weighed in between": lambda y: y.sum((2, 3)) * torch.rand(5) / 32,
    "divided by weights in between": lambda y: y.sum((2, 3)) / torch.rand(5) / 32,
    "a leaky activation by hand": lambda y: leaky(y.sum((2, 3))) / 32,
    "of a leaky activation by hand": lambda y: leaky(y / 32).sum((2, 3)),
    "by hand": lambda y: torch.einsum("nchw->nc", y) / 32,
}
OTHERS: dict[str, Run] = {
    "a sum": lambda y: y.sum((2, 3)),
    "a sum of columns": lambda y: sum(y.unbind(3)).sum(2),
    "a sum of columns and a mean": lambda y: sum(y.unbind(3)).mean(2),
    "divided by another number": lambda y: y.sum((2, 3)) / 31,
    "bent in between": lambda y: (y / 32).sigmoid().sum((2, 3)),
    "bent after": lambda y: y.sum((2, 3)).tanh() / 32,
    "one column left out": lambda y: sum(y.unbind(3)[1:]).sum(2) / 32,
    "one column twice": lambda y: (sum(y.unbind(3)[1:]) + y[..., 1]).sum(2) / 32,
    "one column subtracted": lambda y: (sum(y.unbind(3)[1:]) - y[..., 0]).sum(2) / 32,
    "weighed columns": lambda y: sum(i * column for i, column in enumerate(y.unbind(3), 1)).sum(2) / 32,
    "bent columns": lambda y: sum(column.sigmoid() for column in y.unbind(3)[:3]).sum(2) / 32,
    "weights divided by it": lambda y: torch.rand(5) / y.sum((2, 3)) / 32,
    "normed in between": lambda y: nn.functional.group_norm(y / 32, 1).sum((2, 3)),
    "a product of sums": lambda y: y.sum((2, 3)) * y.relu().sum((2, 3)) / 32,
    "squared in between": lambda y: squared(y.sum((2, 3))) / 32,
    "squared before": lambda y: squared(y / 32).sum((2, 3)),
    "bent by hand in between": lambda y: swish(y.sum((2, 3))) / 32,
    "columns of weights": lambda y: sum(y[..., i] * torch.rand(5, 1) for i in range(4)).sum(2) / 32,
    "one column of two": lambda y: (sum(y.unbind(3)[1:]) + twice(y[..., 0])).sum(2) / 32,
    "over more than a mask of ones": lambda y: y.sum((2, 3)) / torch.ones(1, 1, 8, 4).sum((2, 3)).clamp(min=33),
    "a deviation": lambda y: torch.std_mean(y, (2, 3))[0],
}


@pytest.mark.parametrize("run", AVERAGES.values(), ids=AVERAGES)
def test_a_sum_that_is_divided_by_the_number_of_its_units_is_an_average(run: Run) -> None:
    found = traced(run).metrics
    assert (found.global_average_pools, found.fully_connected, found.receptive_field_hw) == (1, 1, (3, 5))


@pytest.mark.parametrize(
    "run",
    [
        lambda a, b: (a.sum((2, 3)) + b.sum((2, 3))) / 32,
        lambda a, b: torch.cat([a[:, :2].sum((2, 3)), b[:, 2:].sum((2, 3))], 1) / 32,
    ],
)
def test_two_sums_that_are_divided_together_are_two_averages(run: Callable[[Any, Any], Any]) -> None:
    assert traced(lambda y: run(y, y.relu())).metrics.global_average_pools == 2


@pytest.mark.parametrize("run", OTHERS.values(), ids=OTHERS)
def test_other_sums_are_no_average(run: Run) -> None:
    found = traced(run).metrics
    assert (found.global_average_pools, found.receptive_field_hw) == (0, (3, 5))
