"""A new operator is one entry of the table in ``constraints/rules.py``: what judges, counts and fixes follows it."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest
from torch import nn

from constraints import check, rules
from constraints.intervals import Interval
from constraints.rules import Constraint, parse_all
from constraints.verdicts import judge
from nas.space.counting import exact_count
from nas.space.counting.listing import list_feasible
from nas.space.counting.relaxation import smallest
from tests.nas.space.counting.test_listing import known, small
from tests.nas.space.staged import known_splits

NEAR, APART = "~", "!~"
"""At most 2 from the limit; at least 3 from it."""


@pytest.fixture(autouse=True)
def _two_more_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {
        NEAR: lambda limit: (Interval(low=limit - 2, high=limit + 2),),
        APART: lambda limit: (
            Interval(high=limit - 2, has_high=False),
            Interval(low=limit + 2, has_low=False),
        ),
    }
    monkeypatch.setattr(rules, "_OPERATORS", {**rules._OPERATORS, **more})


def constraint(metric: str, op: str, limit: int) -> Constraint:
    return Constraint(metric=metric, op=op, limit=limit)


def plainly(one: Constraint, value: Any) -> bool:
    return bool(abs(value - one.limit) <= 2) is (one.op == NEAR)


@pytest.mark.parametrize("op", [NEAR, APART])
@pytest.mark.parametrize("value", range(4, 17))
def test_a_verdict(op: str, value: int) -> None:
    one = constraint("params", op, 10)
    (verdict,) = judge([one], {"params": value})
    assert verdict.ok is plainly(one, value)
    is_between = op == APART and value == 10  # either way is as near
    assert one.change(value) == 0 if is_between else one.holds(value + one.change(value))


@pytest.mark.parametrize(
    ("op", "entries", "decides"),
    [(NEAR, [9, 13, 7, 10], 7), (NEAR, [12, 11], 11), (APART, [14, 9, 11], 9), (APART, [7, 14], 7)],
)
def test_of_several_entries_one_that_breaks_it_decides(op: str, entries: list[int], decides: int) -> None:
    assert constraint("convs_per_stage", op, 10).decisive(entries) == decides


@pytest.mark.parametrize("op", [NEAR, APART])
@pytest.mark.parametrize(
    ("metric", "limit"),
    [("params", 2524), ("receptive_field", 19), ("convs", 6), ("convs_per_stage", 0), ("stages", 5)],
)
def test_bulk_verdicts_counts_and_listing(op: str, metric: str, limit: int) -> None:
    vector, one = small(), constraint(metric, op, limit)
    rows, _ = known()
    found = known_splits()
    keeps = [[all(plainly(one, n) for n in np.atleast_1d(f[metric]).tolist()) for f in several] for several in found]
    wanted = list(map(any, keeps))
    assert 0 < sum(wanted) < len(rows) or (metric, op) == ("stages", APART)  # none needs so many
    assert vector.feasible(rows, [one]).tolist() == wanted
    assert exact_count.feasible(vector, [one]) == sum(wanted)
    listed = list_feasible(vector, [one])
    assert listed is not None
    assert listed.tolist() == rows[wanted].tolist()


@pytest.mark.parametrize(
    ("one", "rest", "value"),
    [
        (constraint("receptive_field", NEAR, 60), "params < 100k", None),
        (constraint("stages", APART, 2), "stages <= 3", None),
        (constraint("max_pools", APART, 1), "params < 100k", 0),
    ],
)
def test_the_smallest_relaxation(one: Constraint, rest: str, value: int | None) -> None:
    """The value of a network that breaks ``one`` alone which is nearest to one that passes."""
    vector, others = small(), parse_all([rest])
    values: list[Any] = [
        figures[one.metric]
        for figures in chain.from_iterable(known_splits())
        if all(c.holds(figures[c.metric]) for c in others)
    ]
    assert not any(plainly(one, n) for n in values)
    found = smallest(vector, [one, *others])
    assert found is not None
    assert found.constraint == one
    assert found.value == min(values, key=lambda n: abs(abs(n - one.limit) - 2))
    assert value is None or found.value == value


def test_a_fix() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    (verdict,) = check(model, (3, 16, 16), [constraint("receptive_field", NEAR, 9)]).constraints
    assert (verdict.ok, verdict.value) == (False, 5)
    assert "dilation 2 and padding 2 in layer 0 makes receptive_field 7, params unchanged" in verdict.fix
