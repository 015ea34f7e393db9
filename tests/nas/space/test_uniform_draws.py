"""Draws in which every network of a small space is as likely as any other."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from constraints.rules import Constraint, parse_all
from nas.space.bulk_metrics import Vector
from nas.space.uniform_draws import draw, draw_feasible, encodings, enumerate_all
from tests.nas.space.counting.test_layer_graph import STAGE, vector_of

COUNT = 20_000


@pytest.fixture(scope="module")
def vector() -> Vector:
    """Networks of two and of three layers, of which the deeper ones are the more."""
    return vector_of(stages=[STAGE | {"depth": [2, 3], "residual": [False, True]}])


def tallied(rows: np.ndarray) -> Counter[tuple[int, ...]]:
    return Counter(map(tuple, rows.tolist()))


def is_uniform(counts: Counter[tuple[int, ...]], networks: int) -> bool:
    """Whether no network is drawn less or more often than in about one of 10,000 series of draws."""
    expected = sum(counts.values()) / networks
    return len(counts) == networks and all(abs(n - expected) < 6 * expected**0.5 for n in counts.values())


def test_every_network_is_listed_once_in_one_form(vector: Vector) -> None:
    every = enumerate_all(vector)
    assert len(every) == len(tallied(every)) == sum(map(sum, vector.graphs[0].sizes_by_depth))
    assert np.array_equal(vector.canonical(every), every)
    assert encodings(vector) == np.prod([len(values) for values in vector.space.parameters.values()])
    assert encodings(vector) > len(every), "words of layers that are not there tell no networks apart"


def test_every_network_is_as_likely_whatever_its_depth(vector: Vector) -> None:
    counts = tallied(draw(vector, COUNT, np.random.default_rng(0)))
    assert is_uniform(counts, len(enumerate_all(vector)))


def feasible(vector: Vector, rules: list[Constraint]) -> set[tuple[int, ...]]:
    every = enumerate_all(vector)
    return set(map(tuple, every[vector.feasible(every, rules)].tolist()))


def test_what_keeps_the_rules_is_uniform_too(vector: Vector) -> None:
    params = sorted(found.params for found in vector.metrics_of(enumerate_all(vector)))
    rules = parse_all([f"params <= {params[len(params) // 2]}"])
    kept = feasible(vector, list(rules))
    assert 0 < len(kept) < len(params)
    rows, drawn = draw_feasible(vector, rules, COUNT, np.random.default_rng(1), tries=10 * COUNT)
    counts = tallied(rows)
    assert len(rows) == COUNT <= drawn
    assert set(counts) == kept
    assert is_uniform(counts, len(kept))


@pytest.mark.parametrize("tries", [0, 1, 100])
def test_where_nothing_keeps_them_the_draws_end(vector: Vector, tries: int) -> None:
    rows, drawn = draw_feasible(vector, parse_all(["params < 1"]), 5, np.random.default_rng(0), tries=tries)
    assert (rows.shape, drawn) == ((0, len(vector.space.columns)), tries)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65])
def test_no_more_are_given_than_asked_for(vector: Vector, count: int) -> None:
    rows, _ = draw_feasible(vector, parse_all(["params > 0"]), count, np.random.default_rng(0), tries=1000)
    assert len(rows) == count
    assert len(draw(vector, count, np.random.default_rng(0))) == count
