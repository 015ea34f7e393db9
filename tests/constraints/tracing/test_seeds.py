"""Random numbers whose seed was computed of the map, beside those of a seed that was not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracer import Trace, trace
from constraints.tracing.seeds import chosen, marked
from tests.constraints.written import Written


def traced(run: Callable[..., Any]) -> Trace:
    """Of a network that sees 5 pixels, without what ``run`` adds to its first map."""
    parts = {"a": nn.Conv2d(3, 4, 3, padding=1), "b": nn.Conv2d(4, 4, 3, padding=1)}
    return trace(Written(lambda m, x: m.b(run(m.a(x))).mean((2, 3)), **parts), (3, 12, 12))


def of(y: torch.Tensor) -> int:
    return int(y.mean() * 1000)


def seeded(y: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(of(y))
    return y


def with_state(y: torch.Tensor) -> torch.Tensor:
    torch.set_rng_state(torch.Generator().manual_seed(of(y)).get_state())
    return y + torch.rand(1, 4, 12, 12)


DRAWN: dict[str, Callable[[torch.Tensor], Any]] = {
    "new": lambda y: seeded(y) + torch.randn(1, 4, 12, 12),
    "as a map is": lambda y: seeded(y) + torch.rand_like(y),
    "in place": lambda y: seeded(y) + torch.empty(1, 4, 12, 12).normal_(),
    "an order": lambda y: seeded(y) + torch.randperm(12),
    "dropout": lambda y: F.dropout(seeded(y), training=True),
    "a generator": lambda y: y + torch.randn(1, 4, 12, 12, generator=torch.Generator().manual_seed(of(y))),
    "a state": with_state,
}


@pytest.mark.parametrize("run", DRAWN.values(), ids=DRAWN)
def test_what_is_drawn_from_a_seed_of_the_map_depends_on_it(run: Callable[[torch.Tensor], Any]) -> None:
    torch.manual_seed(0)  # a seed that a map may give as well
    found = traced(run)
    assert found.metrics.receptive_field is None
    assert "numbers" in found.unknown["receptive_field"]
    assert found.metrics.macs == (27 * 4 + 36 * 4) * 144


@pytest.mark.parametrize(
    "run",
    [
        lambda y: y + torch.randn_like(y),
        lambda y: (torch.manual_seed(5), y + torch.randn_like(y))[1],  # nothing was read
        lambda y: y + torch.randn(1, 4, 12, 12, generator=torch.Generator().manual_seed(5)),
    ],
)
def test_what_is_drawn_from_another_seed_does_not(run: Callable[[torch.Tensor], Any]) -> None:
    assert traced(run).metrics.receptive_field == 5


@pytest.mark.parametrize(
    "draw", [torch.Tensor.exponential_, torch.Tensor.log_normal_, torch.Tensor.cauchy_, lambda y: y.geometric_(0.5)]
)
def test_noise_of_any_distribution_sees_nothing(draw: Callable[[torch.Tensor], torch.Tensor]) -> None:
    assert traced(lambda y: y + draw(torch.empty_like(y))).metrics.receptive_field == 5
    seen = traced(lambda y: y + draw(torch.empty_like(seeded(y)))).metrics.receptive_field
    assert seen is None


def test_a_default_device_does_not_hinder_a_trace() -> None:
    with torch.device("meta"):
        model = nn.Conv2d(3, 4, 3)
        assert trace(model).metrics.receptive_field == 3


def test_a_marked_generator_draws_as_before_and_has_its_seed_afterwards() -> None:
    torch.manual_seed(3)
    drawn = torch.rand(4)
    torch.manual_seed(3)
    with marked() as seed:
        assert not chosen([], seed)
        assert torch.equal(torch.rand(4), drawn)
    assert torch.initial_seed() == 3
    with marked() as seed:
        torch.manual_seed(3)
        assert chosen([], seed) == [3]
    assert torch.initial_seed() == 3
    assert chosen([None, torch.Generator().manual_seed(4)], seed) == [4]
