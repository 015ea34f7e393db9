"""Verdicts: what holds, by how much, and what is unknown."""

from math import nan
from typing import Any

import pytest

from constraints.rules import ASSIGNMENT, Constraint, parse, parse_all
from constraints.verdicts import Verdict, judge


@pytest.mark.parametrize(("entries", "known"), [((), True), ((3, 4), True), ((3, None), False), ((3, nan), False)])
def test_no_entry_counts_as_nought_and_one_that_is_unknown_makes_all_so(entries: tuple[Any, ...], known: bool) -> None:
    (verdict,) = judge([parse("convs_per_stage >= 0")], {"convs_per_stage": entries})
    assert verdict.ok is known
    assert (verdict.value is not None) is known


def test_the_assignment_is_kept_by_the_least_that_keeps_it() -> None:
    least = {
        "receptive_field": 45,
        "params": 199_999,
        "dilated_convs": 1,
        "depthwise_separable_convs": 1,
        "global_average_pools": 1,
        "max_pools": 0,
        "stages": 4,
        "convs_per_stage": [3, 5, 3, 4],
    }
    rules = parse_all(ASSIGNMENT)
    assert all(v.ok for v in judge(rules, least))
    breaking = {
        "receptive_field": 44,
        "params": 200_000,
        "dilated_convs": 0,
        "depthwise_separable_convs": 0,
        "global_average_pools": 0,
        "max_pools": 1,
        "stages": 5,
        "convs_per_stage": [3, 5, 2, 4],
    }
    for name, value in breaking.items():
        assert [v.name for v in judge(rules, least | {name: value}) if not v.ok] == [name]


@pytest.mark.parametrize(
    ("expr", "figure", "value"),
    [
        ("convs_per_stage >= 3", [4, 2, 3], 2),
        ("convs_per_stage <= 3", [4, 2, 3], 4),
        ("convs_per_stage == 3", [3, 4, 3], 4),
        ("convs_per_stage != 3", [4, 3, 5], 3),
        ("convs_per_stage >= 3", [], 0),
        ("receptive_field_hw > 44", (45, 44), 44),
    ],
)
def test_of_several_entries_the_one_nearest_to_breaking_counts(expr: str, figure: object, value: int) -> None:
    (verdict,) = judge([parse(expr)], {parse(expr).metric: figure})
    assert verdict.value == value
    assert not verdict.ok


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (43, "43 is 1 below 44, must be > 44"),
        (44, "44 is at the limit 44, must be > 44"),
        (47, "47 is 3 above 44"),
    ],
)
def test_a_verdict_says_the_distance(value: int, why: str) -> None:
    (verdict,) = judge([parse("receptive_field > 44")], {"receptive_field": value})
    assert verdict.why == why


def test_what_is_unknown_fails_with_its_reason() -> None:
    (verdict,) = judge([parse("receptive_field > 44")], {"receptive_field": None}, unknown={"receptive_field": "fft"})
    assert not verdict.ok
    assert verdict.why == "receptive_field is unknown: fft"
    (verdict,) = judge([Constraint(metric="mine", op="<", limit=3)], {"mine": float("nan")})
    assert not verdict.ok


def test_a_verdict_reads_like_its_json() -> None:
    (verdict,) = judge([parse("params < 10")], {"params": 12}, responsible={"params": ("a", "b")})
    assert verdict["layers"] == ["a", "b"]
    assert verdict["fix"] == []
    assert verdict.as_dict()["expr"] == "params < 10"


def test_a_verdict_keeps_its_constraint_but_not_in_its_json() -> None:
    (verdict,) = judge([parse("relus < 10", ["relus"])], {"relus": 12})
    assert verdict.constraint == parse("relus < 10", ["relus"])
    assert "constraint" not in verdict.as_dict()
    other = parse("params < 10")
    assert Verdict.from_dict(verdict.as_dict(), [other, verdict.constraint]).constraint is verdict.constraint
    assert Verdict.from_dict(verdict.as_dict(), [other]).constraint is None
    words = Verdict(name="augmentation", expr="a horizontal flip", value=True, ok=True, why="")
    assert Verdict.from_dict(words.as_dict()) == words
    assert words.constraint is None
