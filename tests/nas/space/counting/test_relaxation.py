"""The smallest change of one constraint that lets some network pass."""

from itertools import chain

import pytest

from constraints.rules import parse_all
from constraints.verdicts import judge
from nas.space.bulk_metrics import Vector
from nas.space.counting.relaxation import smallest
from nas.space.space import load
from tests.nas.space.counting.test_listing import small
from tests.nas.space.staged import known_splits


@pytest.mark.parametrize(
    "expressions",
    [
        ["params < 1k"], ["params <= 1k", "receptive_field > 15"], ["receptive_field > 400", "params < 3k"],
        ["macs > 20M"], ["stages == 7"], ["convs_per_stage >= 5", "params < 4k"], ["params == 1"],
        ["peak_activation_bytes < 1k"], ["fully_connected > 1", "receptive_field >= 15"],
    ],
)  # fmt: skip
def test_it_is_the_nearest_of_all_networks_that_keep_the_others(expressions: list[str]) -> None:
    vector, constraints = small(), parse_all(expressions)
    gaps = []
    for i, c in enumerate(constraints):
        others = [*constraints[:i], *constraints[i + 1 :]]
        for figures in chain.from_iterable(known_splits()):
            if all(v.ok for v in judge(others, figures)):
                value = c.decisive(figures[c.metric])
                gaps.append((abs(int(value or 0) - int(c.limit)) / max(1, int(c.limit)), c, value))
    found = smallest(vector, constraints)
    assert found is not None
    assert found.distance == pytest.approx(min(gap for gap, _, _ in gaps))
    assert any((found.constraint, found.value) == (c, value) for _, c, value in gaps)


def test_a_not_equal_is_relaxed_to_its_limit() -> None:
    found = smallest(Vector(load("tiny")), parse_all(["max_pools != 0"]))
    assert found is not None
    assert (found.constraint.metric, found.value) == ("max_pools", 0)


def test_where_two_must_change_there_is_none() -> None:
    assert smallest(Vector(load("tiny")), parse_all(["params < 100", "macs < 1k"])) is None


@pytest.mark.parametrize("metric", ["params", "stages", "convs_per_stage"])
def test_a_limit_out_of_all_proportion_is_relaxed_as_one_just_out_of_reach(metric: str) -> None:
    vector = small()
    far, near = (smallest(vector, parse_all([f"{metric} > {limit}"])) for limit in ("1e12", "1e6"))
    assert far is not None
    assert near is not None
    assert far.value == near.value
