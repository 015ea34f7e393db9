"""Reductions of a map over its axes, and which of them are global poolings."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.metrics import Metrics
from constraints.tracer import trace
from tests.constraints.written import Written

Run = Callable[[Any, torch.Tensor], torch.Tensor]


def figures(run: Run, **parts: nn.Module) -> Metrics:
    return trace(Written(run, **parts), (4, 8, 8)).metrics


def conv(kernel: int) -> nn.Conv2d:
    return nn.Conv2d(4, 4, kernel, padding=kernel // 2)


@pytest.mark.parametrize(
    ("run", "count"),
    [
        (lambda x: x.mean((2, 3)), 1),
        (lambda x: x.mean(3).mean(2), 1),
        (lambda x: x.sum((2, 3)) / 64, 1),
        (lambda x: x.sum((2, 3)) * (1 / 64), 1),
        (lambda x: x.sum((2, 3)) / torch.tensor(64.0), 1),
        (lambda x: x.sum((2, 3)) / torch.tensor(32.0).mul(2), 1),
        (lambda x: x.sum((2, 3)) / torch.tensor(63.0), 0),
        (lambda x: x.sum((2, 3)) / 63, 0),
        (lambda x: x.sum((2, 3)), 0),
        (lambda x: x.mean((1, 2, 3)), 1),
        (lambda x: x.mean(2), 0),
        (lambda x: x.mean(1), 0),
        (lambda x: x.amax((2, 3)), 0),
        (lambda x: x.amax(3).mean(2), 0),
    ],
)
def test_a_global_average_is_a_mean_over_both_sides(run: Callable[[torch.Tensor], torch.Tensor], count: int) -> None:
    assert figures(lambda m, x: run(x)).global_average_pools == count


@pytest.mark.parametrize(
    "head",
    [
        lambda y: F.pad(y, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1).mean((-1, -2)),
        lambda y: F.pad(y, (0, 1, 0, 1)).unfold(2, 3, 1).unfold(3, 3, 1).mean(-1).mean(-1),
    ],
)
def test_a_mean_of_windows_before_a_global_one_is_a_map_of_its_own(
    head: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    found = figures(lambda m, x: head(m.a(x)).mean((2, 3)), a=conv(3))
    assert (found.receptive_field_hw, found.global_average_pools) == ((5, 5), 1)


def test_a_mean_of_patches_before_a_global_one_is_a_map_and_one_over_patches_is_a_step_of_it() -> None:
    patches = figures(lambda m, x: m.a(x).view(1, 4, 4, 2, 4, 2).mean((3, 5)).mean((2, 3)), a=conv(3))
    assert patches.receptive_field_hw == (4, 4)
    steps = figures(lambda m, x: m.a(x).view(1, 4, 4, 2, 4, 2).mean((2, 4)).mean((2, 3)), a=conv(3))
    assert steps.receptive_field_hw == (3, 3)


@pytest.mark.parametrize(
    "run", [lambda m, x: m.a(m.b(x).flatten(1)).sum().mean(), lambda m, x: m.a(m.b(x).flatten(1)).max().max()]
)
def test_a_reduction_of_one_number_changes_nothing(run: Run) -> None:
    assert figures(run, a=nn.Linear(4 * 8 * 8, 10), b=conv(3)).receptive_field == 3


def of_frames(m: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.stack([m.a(x[:, :, t]).mean((2, 3)) for t in range(x.shape[2])], 1)


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: of_frames(m, x).mean(1),
        lambda m, x: of_frames(m, x).amax(1),
        lambda m, x: of_frames(m, x).sum(1) / 3,
        lambda m, x: (y := of_frames(m, x), (y * y.softmax(1)).sum(1))[1],
        lambda m, x: m.time(of_frames(m, x).transpose(1, 2)).mean(2),
        lambda m, x: m.last(of_frames(m, x).flatten(1)),
    ],
)
def test_the_map_of_a_frame_is_judged_where_pools_of_frames_are_pooled_again(run: Run) -> None:
    """A unit of a frame's map sees 5x5 pixels of it; what all its units see together is 12x12 with the border."""
    parts = {"a": conv(5), "time": nn.Conv1d(4, 4, 3, padding=1), "last": nn.Linear(12, 5)}
    found = trace(Written(run, **parts), (4, 3, 8, 8)).metrics
    assert (found.receptive_field_hw, found.downsampled_by) == ((5, 5), (1, 1))
