"""What a count tracks of a metric: the same verdicts as the metric itself, whatever the layers add."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constraints.rules import parse_all
from nas.space.counting.tracked_metrics import MOST_LARGE, Large, Small, TrackedMetrics, metric_of, track
from tests.nas.space.counting.test_layer_graph import vector_of

SUMS = st.builds(
    Large,
    name=st.sampled_from(["params", "receptive_field"]),
    start=st.integers(0, 9),
    divisor=st.integers(1, 7),
    top=st.integers(0, 20),
)


def tracked(*expressions: str) -> TrackedMetrics:
    found = track(vector_of(), parse_all(expressions), 0)
    assert found is not None
    return found


@given(SUMS, st.integers(-5, 200))
def test_a_level_is_the_least_multiple_that_reaches_a_value(metric: Large, value: int) -> None:
    level = metric.level(value)
    assert 0 <= level <= metric.top
    assert metric.value(level) >= value or level == metric.top
    assert level == 0 or metric.value(level - 1) < value


@given(SUMS, st.integers(0, 20))
def test_a_multiple_is_the_level_of_its_value(metric: Large, level: int) -> None:
    assert metric.level(metric.value(level)) == min(level, metric.top)


@given(SUMS, st.lists(st.integers(0, 6), min_size=1, max_size=5), st.integers(0, 6))
def test_multiples_of_layers_and_a_head_make_the_whole(metric: Large, layers: list[int], head: int) -> None:
    """The head's least is in the start, and so is the 1 of a receptive field, which no layer adds."""
    least = metric.start - (metric.name == "receptive_field")
    added = np.array(layers) * metric.divisor
    last = np.array([least + head * metric.divisor])
    multiples = int(metric.multiples(added, is_head=False).sum() + metric.multiples(last, is_head=True).sum())
    whole = int(added.sum() + last.sum()) + (metric.name == "receptive_field")
    assert metric.value(multiples) == whole


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 4), st.integers(0, 9))
def test_a_sum_saturates_where_nothing_changes_any_more(amounts: list[int], divisor: int, cap: int) -> None:
    metric = Small(name="convs", divisor=divisor, points=(), values=range(0, (cap + 1) * divisor, divisor))
    level = np.zeros(1, dtype=np.int64)
    for amount in amounts:
        level = metric.together(level, int(metric.levels(np.array([amount * divisor]))[0]))
    assert metric.cap == cap
    assert level[0] == min(sum(amounts), cap)


@given(st.lists(st.integers(0, 30), max_size=6), st.sets(st.integers(1, 30), max_size=4))
def test_a_maximum_has_a_level_for_each_point_that_it_reaches(amounts: list[int], points: set[int]) -> None:
    ordered = tuple(sorted(points))
    values = (min(ordered, default=1) - 1, *ordered)
    metric = Small(name="peak_activation_bytes", divisor=1, points=ordered, values=values)
    level = np.zeros(1, dtype=np.int64)
    for amount in amounts:
        level = metric.together(level, int(metric.levels(np.array([amount]))[0]))
    assert level[0] == sum(point <= max(amounts, default=0) for point in points)


def test_parameters_are_exact_and_a_few_levels_are_enough_for_others() -> None:
    found = tracked("params < 3000", "convs >= 4", "dilated_convs >= 1")
    assert [metric.name for metric in found.large] == ["params"]
    assert [metric.name for metric in found.small] == ["convs", "dilated_convs"]
    assert found.names == ("params", "convs", "dilated_convs")
    convs, dilated = found.small
    assert list(dilated.values) == [0, 1], "none, or some"
    assert [convs.values[level] for level in range(convs.cap + 1)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("expression", "below", "from_there"),
    [("params < 3000", False, True), ("params >= 3000", True, False), ("params <= 2999", False, True)],
)
def test_a_large_metric_is_judged_by_its_value(expression: str, below: bool, from_there: bool) -> None:
    found = tracked(expression)
    (metric,) = found.large
    assert found.turns(metric) == {3000}
    (point,) = found.points(metric)
    assert metric.value(point) >= 3000 > metric.value(point - 1)
    assert [found.broken_by([level]) == {0} for level in (point - 1, point)] == [below, from_there]
    assert found.breaks_at_top(metric) == from_there


def test_a_rule_on_several_types_of_numbers_is_one_on_what_it_is_computed_from() -> None:
    found = tracked("weight_bytes <= 12k")
    assert [(c.metric, c.expr) for c in found.constraints] == [("params", "params <= 3000")]
    assert {metric_of(c) for c in found.constraints} == {"params"}


def test_what_is_too_much_for_a_state_is_not_tracked() -> None:
    """Each of these has far more than MOST_SMALL levels, and only MOST_LARGE may be exact."""
    rules = ["macs < 1000001", "receptive_field < 100003", "weight_bytes_int8 < 999983"]
    assert track(vector_of(), parse_all(rules), 0) is None
    assert [metric.name for metric in tracked(*rules[:MOST_LARGE]).large] == ["macs", "receptive_field"]
