"""Operations along one axis: over channels each result sees its place, over places they are not followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from constraints.tracer import trace
from tests.constraints.tracing.known import CONV, WIDE, known, sizes
from tests.constraints.written import Written

Run = Callable[[torch.Tensor, int], Any]
ALONG: dict[str, Run] = {
    "sort": lambda y, axis: y.sort(axis).values,
    "the order": lambda y, axis: y.argsort(axis).float(),
    "topk": lambda y, axis: y.topk(2, axis)[0],
    "cumsum": lambda y, axis: y.cumsum(axis),
    "cummax": lambda y, axis: y.cummax(axis).values,
    "logcumsumexp": lambda y, axis: y.logcumsumexp(axis),
    "one index": lambda y, axis: y.kthvalue(2, axis).values,
    "the same, kept": lambda y, axis: y.kthvalue(2, axis, keepdim=True).values,
    "gather": lambda y, axis: y.gather(axis, y.argsort(axis)),
    "one-hot": lambda y, axis: torch.zeros_like(y).scatter(axis, y.argmax(axis, True), 1.0),
    "in place": lambda y, axis: torch.zeros_like(y).scatter_(axis, y.argsort(axis), y),
    "added": lambda y, axis: y.scatter_add(axis, y.argsort(axis), y),
}


@pytest.mark.parametrize("run", ALONG.values(), ids=ALONG)
def test_over_channels_each_place_sees_what_it_saw(run: Run) -> None:
    found = known(lambda m, x: run(m.a(x), 1), a=CONV)
    assert (sizes(found), found.outcomes.reasons, found.outcomes.hidden) == ([3, 3], {}, {})


@pytest.mark.parametrize("run", [run for name, run in ALONG.items() if name != "one-hot"])
def test_over_places_nothing_is_known(run: Run) -> None:
    found = known(lambda m, x: run(m.a(x), 2), a=CONV)
    assert found.outputs[0].views[0] is not None
    assert found.outputs[0].views[0].unknown


def test_what_is_written_and_where_are_both_seen() -> None:
    found = known(lambda m, x: m.a(x).scatter(1, m.b(x).argsort(1), x), a=CONV, b=WIDE)
    assert sizes(found) == [5, 5]


def test_an_index_of_fewer_places_is_not_followed() -> None:
    found = known(lambda m, x: m.a(x).gather(1, m.a(x).argsort(1)[:, :, 4:]), a=CONV)
    assert found.outcomes.reasons == {"gather: what it does to the receptive field is not known": "gather"}


def test_a_constant_index_of_channels_that_see_different_places_hides_the_field_alone() -> None:
    def picked(m: Any, x: torch.Tensor) -> Any:
        y = torch.cat([m.a(x), m.b(x)], 1)
        return torch.take_along_dim(y, torch.arange(y.shape[1]).flip(0).view(1, -1, 1, 1), 1).mean((2, 3))

    found = trace(Written(picked, a=CONV, b=WIDE), (3, 8, 8))
    assert (found.metrics.global_average_pools, found.metrics.max_pools) == (1, 0)
    assert set(found.unknown) == {"receptive_field", "receptive_field_hw", "downsampled_by"}


def test_a_one_hot_code_sees_its_index_if_its_length_is_given() -> None:
    found = known(lambda m, x: F.one_hot(m.a(x).argmax(1), 3), a=CONV)
    assert (sizes(found), found.outcomes.hidden, [c.op for c in found.calls if "max_pool" in c.tags]) == (
        [3, 3],
        {},
        [],
    )
    assert known(lambda m, x: F.one_hot(m.a(x).argmax(1)), a=CONV).outcomes.reasons
