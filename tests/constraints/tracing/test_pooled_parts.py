"""Pools of parts of one map that are combined: the units of a new map, one pool of the map, or unknown."""

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
    """Of a network whose last map has 8 by 8 units that see 3 by 3 pixels."""
    parts = {"conv": nn.Conv2d(3, 4, 3), "linear": nn.Linear(4, 2)}
    return trace(Written(lambda m, x: m.linear(run(m.conv(x))), **parts), (3, 10, 10))


def pairs(y: torch.Tensor) -> list[torch.Tensor]:
    """The rows of a map, two by two."""
    return list(y.chunk(4, 2))


@pytest.mark.parametrize("pool", [lambda p: p.mean(2), lambda p: p.amax(2), lambda p: p.std(2)])
def test_pools_of_rows_that_are_stacked_are_units_of_a_new_map(pool: Run) -> None:
    found = traced(lambda y: torch.stack([pool(p) for p in pairs(y)], 2).mean((2, 3))).metrics
    # 3 rows of pixels and one more; as many columns as before
    assert (found.receptive_field_hw, found.downsampled_by) == ((4, 3), (2.5, 1.25))
    assert (found.global_average_pools, found.fully_connected) == (1, 1)


@pytest.mark.parametrize(
    "run",
    [
        lambda y: torch.stack([row.amax(2) for row in y.unbind(2)]).amax(0),
        lambda y: torch.stack([row.amax(2) for row in y.unbind(2)], 2).relu().amax(2),
        lambda y: reduce(torch.maximum, [row.amax(2) for row in y.unbind(2)]),
        lambda y: torch.cat([p.amax((2, 3), keepdim=True) for p in pairs(y)], 2).amax((2, 3)),
        lambda y: torch.stack([q.amax((2, 3)) for p in y.chunk(2, 2) for q in p.chunk(2, 3)]).amax(0),
        lambda y: torch.stack([row.amax(2) for row in y.unbind(2)]).mean(0),
        lambda y: y[:, :, :4].amax((2, 3)) + y[:, :, 4:].amax((2, 3)),
    ],
)
def test_maxima_of_parts_that_are_combined_leave_the_pool_and_its_map_unknown(run: Run) -> None:
    found = traced(run)
    of_pools = ("max_pools", "global_average_pools", "fully_connected", "receptive_field_hw")
    assert [getattr(found.metrics, name) for name in of_pools] == [None] * 4
    assert "pools of several parts of one map" in found.unknown["receptive_field_hw"]
    assert not any("no global pool" in w for w in found.warnings)  # together they may be one
    assert (found.metrics.convs, found.metrics.macs) == (1, 3 * 4 * 9 * 64 + 4 * 2)


@pytest.mark.parametrize(
    "run",
    [
        lambda y: torch.stack([row.mean(2) for row in y.unbind(2)]).amax(0),
        lambda y: torch.stack([row.std(2) for row in y.unbind(2)]).sum(0),
    ],
)
def test_other_pools_of_rows_leave_the_map_unknown(run: Run) -> None:
    assert traced(run).metrics.receptive_field_hw is None


def test_pools_of_parts_that_stay_apart_are_known() -> None:
    parts = {"conv": nn.Conv2d(3, 4, 3), "linear": nn.Linear(8, 2)}
    halves = Written(
        lambda m, x: m.linear(torch.cat([half.mean((2, 3)) for half in m.conv(x).chunk(2, 2)], 1)), **parts
    )
    found = trace(halves, (3, 10, 10)).metrics
    assert (found.global_average_pools, found.max_pools, found.receptive_field_hw) == (0, 0, (3, 3))


def test_one_maximum_over_a_part_counts_once() -> None:
    assert traced(lambda y: y[:, :, 1:].amax((2, 3))).metrics.max_pools == 1
    assert traced(lambda y: y.amax(3).amax(2)).metrics.max_pools == 1
