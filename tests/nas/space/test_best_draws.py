from __future__ import annotations

import itertools

import numpy as np
import pytest

from constraints.rules import ASSIGNMENT, parse_all
from nas.space import space as spaces
from nas.space.analytic import metrics
from nas.space.best_draws import best_first
from nas.space.feasible import FeasiblePart
from nas.space.proxy import LinearProxy
from nas.space.space import Encoded
from nas.space.surrogate import RatedNetwork

FEWER = LinearProxy({"params": -1.0}, {"any": 1.0})


@pytest.fixture(scope="module")
def feasible() -> FeasiblePart:
    return FeasiblePart(spaces.load("assignment", input=(3, 32, 32), classes=10), parse_all(ASSIGNMENT))


@pytest.fixture(scope="module")
def drawn(feasible: FeasiblePart) -> list[Encoded]:
    return list(feasible.sample_rows(12, np.random.default_rng(0)))


def parameters(feasible: FeasiblePart, rows: list[Encoded], *, climbs: bool) -> list[int]:
    found = itertools.islice(best_first(feasible, rows, FEWER, (), climbs=climbs), 5)
    return [metrics(network).params for _, network in found]


def test_without_a_search_the_draws_are_ordered(feasible: FeasiblePart, drawn: list[Encoded]) -> None:
    every = [metrics(feasible.space.decode(feasible.space.choices(row))).params for row in drawn]
    assert parameters(feasible, drawn, climbs=False) == sorted(every)[:5]


def test_the_search_finds_better_ones_that_are_feasible_too(feasible: FeasiblePart, drawn: list[Encoded]) -> None:
    assert parameters(feasible, drawn, climbs=True)[0] < parameters(feasible, drawn, climbs=False)[0]
    choices, network = next(best_first(feasible, drawn, FEWER, (), climbs=True))
    assert feasible.space.decode(choices) == network
    assert feasible.judge(choices).broken == ()


def test_what_was_learnt_turns_the_order_around(feasible: FeasiblePart, drawn: list[Encoded]) -> None:
    """Networks with more parameters were worth more, at equal seconds; the proxy says the opposite, but weakly."""
    networks = [feasible.space.decode(feasible.space.choices(row)) for row in drawn]
    sizes = np.log2([metrics(network).params for network in networks])
    learnt = [
        RatedNetwork(network=one, accuracy=0.5 + 0.2 * (size - sizes.mean()))
        for one, size in zip(networks, sizes.tolist(), strict=True)
    ]
    weak = LinearProxy({"params": -0.001}, {"any": 1.0})
    first = next(best_first(feasible, drawn, weak, learnt, climbs=False))[1]
    assert np.log2(metrics(first).params) > sizes.mean()
