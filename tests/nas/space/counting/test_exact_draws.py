"""Draws by exact counts: what is drawn is feasible, and every feasible network is as likely."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from constraints.rules import ASSIGNMENT, parse_all
from nas.space.bulk_metrics import Vector
from nas.space.counting import half_paths
from nas.space.counting.exact_draws import ExactDraws, _drawn
from nas.space.counting.half_paths import TooLargeError
from nas.space.space import load
from nas.space.uniform_draws import enumerate_all
from tests.nas.space.counting.test_listing import small
from tests.nas.space.tallied import tally
from tests.nas.space.test_feasible import chi_square_is_likely


@pytest.mark.parametrize(
    "expressions",
    [
        ["params < 2k"], ["params > 4k", "macs < 1500k"], ["receptive_field == 19", "params < 2200"], ["params < 1750"],
        ["dilated_convs >= 1", "convs_per_stage <= 2", "params >= 2300", "params < 2600"],
    ],
)  # fmt: skip
def test_every_feasible_network_is_as_likely(expressions: list[str]) -> None:
    vector, constraints = small(), parse_all(expressions)
    rows = enumerate_all(vector)
    good = {row.tobytes() for row in rows[vector.feasible(rows, constraints)]}
    assert 1 < len(good) < len(rows) / 3
    drawn = Counter(
        row.tobytes() for row in ExactDraws(vector, constraints).draw(30 * len(good), np.random.default_rng(0))
    )
    assert set(drawn) == good
    assert chi_square_is_likely(list(drawn.values()))


def test_with_two_metrics_tracked_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.space.counting.tracked_metrics.MOST_SMALL", 30)
    test_every_feasible_network_is_as_likely(["params > 4k", "macs < 1500k"])


def test_rare_networks_of_trillions_are_drawn() -> None:
    vector, constraints = Vector(load("assignment")), parse_all([*ASSIGNMENT, "params < 6k"])
    rows = ExactDraws(vector, constraints).draw(300, np.random.default_rng(0))
    assert vector.feasible(rows, constraints).all()
    assert vector.canonical(rows).tolist() == rows.tolist()
    drawn, known = vector.metric(rows, "params"), tally("assignment", below=6000)
    share = sum(n for params, n in known.items() if params < 5900) / known.total()
    assert abs((drawn < 5900).mean() - share) < 5 * (share * (1 - share) / 300) ** 0.5


def test_what_is_too_much_to_keep_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_paths, "MOST_HELD", 100)
    with pytest.raises(TooLargeError):
        ExactDraws(small(), parse_all(["params < 3k"]))


def test_a_part_is_drawn_in_proportion_to_its_size_however_large_the_numbers() -> None:
    generator, sizes = np.random.default_rng(0), [1, 0, 3, 4]
    ends = np.cumsum(sizes).tolist()
    for factor in (1, 10**40):
        drawn = Counter(_drawn([end * factor for end in ends], generator) for _ in range(4_000))
        assert set(drawn) == {0, 2, 3}
        for i, n in drawn.items():
            share = sizes[i] / 8
            assert abs(n / 4_000 - share) < 5 * (share * (1 - share) / 4_000) ** 0.5
