"""Advice in words: for every metric and direction, and for none that is unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from constraints.candidates import SAME
from constraints.general_advice import advice
from constraints.metrics import Metrics
from constraints.rules import parse_all
from constraints.verdicts import Verdict


def verdict(expr: str, value: float | None, *, ok: bool = False) -> Verdict:
    (rule,) = parse_all([expr])
    return Verdict(name=rule.metric, expr=expr, value=value, ok=ok, why="", constraint=rule)


def test_the_direction_is_that_of_the_rule() -> None:
    (down,) = advice(verdict("params < 10", 20), 0)
    (up,) = advice(verdict("params > 10", 5), 0)

    assert down == "untried: narrow the widest layers, or split them into depthwise and 1x1 convolutions"
    assert up == "untried: widen layers or add some"


@pytest.mark.parametrize("metric", ["depthwise_convs", "dilated_convs"])
def test_a_metric_with_advice_of_its_own_has_that(metric: str) -> None:
    (down,) = advice(verdict(f"{metric} < 1", 2), 0)

    assert down.endswith(
        {"depthwise_convs": "set groups back to 1", "dilated_convs": "set dilations back to 1"}[metric]
    )


def test_what_was_tried_and_why_no_more_is_said() -> None:
    (text,) = advice(verdict("convs > 3", 2), 17, "the time was over")

    assert text == "17 tried, none of which fixes it; in words: add convolutions (the time was over)"


@pytest.mark.parametrize(
    "given",
    [
        verdict("params < 10", 5, ok=True),
        verdict("params < 10", None),
        replace(verdict("params < 10", 20), constraint=None),
        replace(verdict("params < 10", 20), name="of_a_user"),
    ],
)
def test_there_is_none_where_the_need_is_unknown(given: Verdict) -> None:
    assert advice(given, 3) == ()


@pytest.mark.parametrize("name", sorted(SAME))
def test_every_metric_that_follows_another_has_advice(name: str) -> None:
    if name in Metrics.definitions() and name != "receptive_field_hw":
        assert advice(verdict(f"{name} < 1", 2), 0)
