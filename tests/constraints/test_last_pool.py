"""A last pool that is not global, and the field of one that is."""

from __future__ import annotations

import pytest
from torch import nn

from constraints import check, trace
from constraints.last_pool import last_pool


def net(*tail: nn.Module) -> nn.Sequential:
    """A 3x3 convolution of stride 2, one of stride 4 (field 3 + 2 * 2 = 7, jump 8), and what follows on 4x4."""
    body = (nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, stride=4, padding=1))
    return nn.Sequential(*body, *tail)


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ([nn.AvgPool2d(3, 2)], "2 averages 3x3 of 4x4, which is not the whole map"),
        ([nn.AvgPool2d(2), nn.Conv2d(8, 10, 1)], "2 averages 2x2 of 4x4, which is not the whole map"),
        ([nn.MaxPool2d(2)], "2 takes the maximum of 2x2 of 4x4, which is not the whole map"),
        ([nn.AvgPool2d(2), nn.Conv2d(8, 10, 2)], ""),
        ([nn.AvgPool2d(4)], ""),
        ([nn.AdaptiveAvgPool2d(1)], ""),
        ([], ""),
    ],
)
def test_a_pool_that_leaves_a_part_out_is_named(tail: list[nn.Module], words: str) -> None:
    found = last_pool(trace(net(*tail)).layers)
    assert (found.words() if found else "") == words
    assert found is None or (found.field, found.map) == ((7, 7), (4, 4))


def test_what_leaves_a_part_out_is_said_with_the_field_before_it_and_replaced() -> None:
    report = check(net(nn.AvgPool2d(3, 2), nn.Conv2d(8, 10, 1), nn.Flatten()), require=["global_average_pools >= 1"])
    (verdict,) = report.constraints
    assert report.metrics["before_last_pool"] == 7
    assert "2 averages 3x3 of 4x4, which is not the whole map (before it the receptive field is 7)" in verdict.why
    assert verdict.fix == (
        "AdaptiveAvgPool2d(1) in place of the pool in layer 2 makes global_average_pools 1, params unchanged",
    )


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d(1), nn.AvgPool2d(4), nn.AdaptiveMaxPool2d(1)])
def test_the_field_with_the_global_pool_is_reported_and_decides_nothing(pool: nn.Module) -> None:
    report = check(net(pool), require=["receptive_field > 8"], fixes=False)
    assert report.metrics["receptive_field"] == 7
    assert report.metrics["receptive_field_with_pool"] == 7 + 3 * 8
    assert not report.ok
    assert report.constraints[0].why.endswith("31 with the global pool, which does not count")


def test_without_a_global_pool_there_is_no_such_field() -> None:
    assert check(net(), require=[], fixes=False).metrics["receptive_field_with_pool"] is None
