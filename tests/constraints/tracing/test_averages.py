"""Global averages that are written as sums, and sums that are none."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
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


def in_place(y: torch.Tensor) -> torch.Tensor:
    """The average as a running one: after each place, that of the places so far."""
    first, *others = y.flatten(2).unbind(2)
    return reduce(lambda mean, at: torch.lerp(mean, at[1], 1 / (at[0] + 1)), enumerate(others, 1), first)


def quarters(y: torch.Tensor) -> list[torch.Tensor]:
    """The four quarters of a map of 8 by 4 units."""
    return [y[:, :, i : i + 4, j : j + 2] for i in (0, 4) for j in (0, 2)]


ZEROS = torch.zeros(1, 5)
EACH, ALL = torch.full((5, 1, 8, 4), 1 / 32), torch.full((32,), 1 / 32)
AVERAGES: dict[str, Run] = {
    "of what is a number": lambda y: y.nanmean((2, 3)),
    "added by a factor": lambda y: torch.add(ZEROS, y.sum((2, 3)), alpha=1 / 32),
    "subtracted by a factor": lambda y: torch.sub(ZEROS, y.sum((2, 3)), alpha=1 / 32),
    "places added by a factor": lambda y: reduce(
        lambda total, place: total.add(place, alpha=1 / 32), y.flatten(2).unbind(2), ZEROS
    ),
    "a running average": in_place,
    "a mix with nothing": lambda y: torch.lerp(ZEROS, y.sum((2, 3)), 1 / 32),
    "addcmul": lambda y: torch.addcmul(ZEROS, y.sum((2, 3)), torch.full((5,), 1 / 32)),
    "addcdiv": lambda y: torch.addcdiv(ZEROS, y.sum((2, 3)), torch.full((5,), 32.0)),
    "ldexp": lambda y: torch.ldexp(y.sum((2, 3)), torch.tensor(-5)),
    "another word for division": lambda y: torch.true_divide(y.sum((2, 3)), 32),
    "negated and divided": lambda y: -y.sum((2, 3)) / 32,
    "by a reciprocal": lambda y: y.sum((2, 3)) * torch.full((5,), 32.0).reciprocal(),
    "of absolute values": lambda y: torch.linalg.vector_norm(y, 1, dim=(2, 3)) / 32,
    "halves": lambda y: (y[:, :, :4].sum((2, 3)) + y[:, :, 4:].sum((2, 3))) / 32,
    "averages of halves": lambda y: (y[:, :, :4].mean((2, 3)) + y[:, :, 4:].mean((2, 3))) / 2,
    "uneven parts": lambda y: (y[:, :, :1].mean((2, 3)) + 7 * y[:, :, 1:].mean((2, 3))) / 8,
    "quarters": lambda y: sum(q.mean((2, 3)) for q in quarters(y)) / 4,
    "every other column": lambda y: (y[..., ::2].sum((2, 3)) + y[..., 1::2].sum((2, 3))) / 32,
    "each place by its indices": lambda y: sum(y[:, :, i, j] for i in range(8) for j in range(4)) / 32,
    "one channel after the other": lambda y: torch.stack([s / 32 for s in y.sum((2, 3)).unbind(1)], 1),
    "sums side by side": lambda y: torch.stack(y.sum((2, 3)).unbind(1), 1) / 32,
    "a kernel of equal weights": lambda y: nn.functional.conv2d(y, EACH, groups=5).flatten(1),
    "a kernel of ones": lambda y: nn.functional.conv2d(y, torch.ones(5, 1, 8, 4), groups=5).flatten(1) / 32,
    "a product with equal weights": lambda y: y.flatten(2) @ ALL,
    "a product with ones": lambda y: torch.bmm(y.flatten(2), torch.ones(1, 32, 1))[..., 0] / 32,
    "a product by a factor": lambda y: torch.baddbmm(
        torch.zeros(1, 5, 1), y.flatten(2), torch.ones(1, 32, 1), alpha=1 / 32
    )[..., 0],
    "weights of an even softmax": lambda y: (y.flatten(2) * torch.zeros(32).softmax(0)).sum(2),
    "a pool with a divisor": lambda y: nn.functional.avg_pool2d(y, (8, 4), divisor_override=1).flatten(1) / 32,
    "a pool of powers": lambda y: nn.functional.lp_pool2d(y, 1, (8, 4)).flatten(1),
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
    "means of rows, stacked": lambda y: torch.stack([row.mean(2) for row in y.unbind(2)], 2).mean(2),
    "means of columns, stacked in front": lambda y: torch.stack([column.mean(2) for column in y.unbind(3)]).mean(0),
    "means of rows, joined": lambda y: torch.cat([row.mean(3) for row in y.split(1, 2)], 2).mean(2),
    "means of halves, stacked": lambda y: torch.stack([half.mean((2, 3)) for half in y.chunk(2, 2)], 2).mean(2),
    "sums of parts, stacked": lambda y: torch.stack([part.sum((2, 3)) for part in y.split([3, 5], 2)], 2).sum(2) / 32,
    "pools of halves, joined": lambda y: torch.cat(
        [nn.functional.adaptive_avg_pool2d(half, 1) for half in y.chunk(2, 3)], 2
    ).mean((2, 3)),
    "means of quarters with their axes": lambda y: torch.stack([q.mean((2, 3), True) for q in quarters(y)]).mean(0)[
        ..., 0, 0
    ],
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
    "unequal parts of equal weight": lambda y: (y[:, :, :1].sum((2, 3)) + y[:, :, 1:].sum((2, 3)) / 7) / 8,
    "overlapping parts": lambda y: (y[:, :, :5].sum((2, 3)) + y[:, :, 4:].sum((2, 3))) / 32,
    "stacked means of unequal parts": lambda y: torch.stack([p.mean((2, 3)) for p in y.split([3, 5], 2)]).mean(0),
    "stacked means of overlapping parts": lambda y: torch.stack(
        [p.mean((2, 3)) for p in (y[:, :, :5], y[:, :, 3:])]
    ).mean(0),
    "a part left out": lambda y: sum(q.sum((2, 3)) for q in quarters(y)[1:]) / 32,
    "a mix of columns": lambda y: reduce(lambda a, b: torch.lerp(a, b, 0.5), y.unbind(3)).sum(2) / 32,
    "a quotient that is cut": lambda y: torch.div(y.sum((2, 3)), 32, rounding_mode="floor"),
    "a pool that sums": lambda y: nn.functional.avg_pool2d(y, (8, 4), divisor_override=1).flatten(1),
    "a norm": lambda y: torch.linalg.vector_norm(y, 2, dim=(2, 3)) / 32,
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


@pytest.mark.parametrize(
    "run",
    [
        lambda y: sum(column.sigmoid() for column in y.unbind(3)).sum(2) / 32,
        lambda y: sum(part.relu().sum((2, 3)) for part in (y[:, :, :4], y[:, :, 4:])) / 32,
        lambda y: sum(y[:, :, i, j].exp() for i in range(8) for j in range(4)) / 32,
        lambda y: torch.stack([half.relu().mean((2, 3)) for half in y.chunk(2, 2)]).mean(0),
    ],
)
def test_functions_of_places_that_are_added_may_be_those_of_the_map_and_so_an_average(run: Run) -> None:
    found = traced(run)
    assert found.metrics.global_average_pools is None
    assert found.metrics.fully_connected in (1, None)
    assert "may make an average over the whole map" in found.unknown["global_average_pools"]


def kept(weights: nn.Parameter | nn.Buffer, run: Callable[..., Any]) -> Trace:
    """Of a network that keeps these weights."""
    parts = {"conv": nn.Conv2d(3, 5, (3, 5)), "linear": nn.Linear(5, 2), "kept": weights}
    return trace(Written(lambda m, x: m.linear(run(m.conv(x), m.kept).flatten(1)), **parts), (3, 10, 8))


@pytest.mark.parametrize(
    "run",
    [
        lambda y, kept: nn.functional.conv2d(y, kept, groups=5),
        lambda y, kept: torch.einsum("nchw,chw->nc", y, kept[:, 0]),
        lambda y, kept: (y * kept[:, 0]).sum((2, 3)),
        lambda y, kept: y.flatten(2) @ kept[0].flatten(),
        lambda y, kept: y.sum((2, 3)) * kept[:, 0, 0, 0],
    ],
)
def test_weights_that_are_not_trained_are_looked_at(run: Callable[..., Any]) -> None:
    for weights in (nn.Buffer(EACH), nn.Parameter(EACH, requires_grad=False)):
        found = kept(weights, run).metrics
        assert (found.global_average_pools, found.fully_connected, found.receptive_field_hw) == (1, 1, (3, 5))
    assert kept(nn.Buffer(torch.rand(5, 1, 8, 4)), run).metrics.global_average_pools == 0
    assert kept(nn.Parameter(EACH), run).metrics.global_average_pools == 0


def test_a_convolution_that_is_an_average_is_both() -> None:
    found = kept(nn.Buffer(EACH), lambda y, kept: nn.functional.conv2d(y, kept, groups=5)).metrics
    assert (found.convs, found.depthwise_convs, found.global_average_pools) == (2, 1, 1)


@pytest.mark.parametrize("run", OTHERS.values(), ids=OTHERS)
def test_other_sums_are_no_average(run: Run) -> None:
    found = traced(run).metrics
    assert (found.global_average_pools, found.receptive_field_hw) == (0, (3, 5))
