"""Expressions parse exactly, round-trip, and judge values just under, at and just over each limit."""

import operator
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from math import inf, nan, nextafter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constraints.errors import UnusableInputError
from constraints.metrics import Metrics
from constraints.rules import Constraint, check_metric, parse, parse_all, strongest

METRICS = st.sampled_from(sorted(Metrics.definitions()))
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
OPERATORS = st.sampled_from(list(COMPARISONS))
LIMITS = [
    "0",
    "1",
    "-3",
    "44",
    "2.5",
    "-0.1",
    str(2**53 + 1),
    str(2**63),
    str(2**64 + 1),
    "1000000G",
    "0.30000000000000004",
]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("params < 200k", 200_000),
        ("params < 199.9k", 199_900),
        ("params<200000", 200_000),
        ("  params  <=  1_000.5k ", 1_000_500),
        ("macs <= 50M", 50_000_000),
        ("macs <= 0.0155G", 15_500_000),
        ("macs <= 2e3", 2_000),
        ("macs <= 1.1M", 1_100_000),
        ("params > -5", -5),
        ("receptive_field > 0.1", Decimal("0.1")),
        ("global_context == true", 1),
        ("global_context == False", 0),
    ],
)
def test_a_limit_is_read_exactly(text: str, limit: int | Decimal) -> None:
    assert parse(text).limit == limit
    assert isinstance(parse(text).limit, type(limit))


@given(METRICS, OPERATORS, st.decimals(min_value=-(10**20), max_value=10**20, allow_nan=False, places=6))
def test_the_canonical_text_reads_back(metric: str, op: str, limit: Decimal) -> None:
    constraint = parse(f"{metric} {op} {limit:f}")
    assert constraint.limit == limit
    assert parse(constraint.expr) == constraint


@given(st.text(max_size=40))
def test_any_text_is_a_constraint_or_a_one_line_error(text: str) -> None:
    with suppress(UnusableInputError):
        assert parse(parse(text).expr) == parse(text)


@pytest.mark.parametrize("text", ["", "params", "params < ", "< 200", "params = 3", "params < 3 4", "params < 3x"])
def test_a_malformed_expression_is_refused(text: str) -> None:
    with pytest.raises(UnusableInputError, match=r"^not a constraint: .*write METRIC OP VALUE"):
        parse(text)


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(UnusableInputError, match=r"^unknown metric: 'parms': did you mean params"):
        parse("parms < 3")
    with pytest.raises(UnusableInputError, match=r"^unknown metric: 'zzz': use one of params, "):
        parse("zzz < 3")


def test_a_metric_of_ones_own_is_known_when_named() -> None:
    assert parse("relus >= 2", ["relus"]).metric == "relus"


def test_a_number_beyond_reason_is_refused() -> None:
    with pytest.raises(UnusableInputError, match=r"^number out of range: 'params < 1e400'"):
        parse("params < 1e400")


@pytest.mark.parametrize(
    ("op", "under", "at", "over"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
        ("==", False, True, False),
        ("!=", True, False, True),
    ],
)
def test_each_comparison_under_at_and_over_its_limit(op: str, under: bool, at: bool, over: bool) -> None:
    constraint = parse(f"params {op} 44")
    assert [constraint.holds(v) for v in (43, 44, 45)] == [under, at, over]


def around(limit: int | Decimal) -> list[Any]:
    """Values near a limit of every kind that a metric may be."""
    whole = [int(limit) + step for step in (-2, -1, 0, 1, 2)]
    floats = [float(limit), nextafter(float(limit), -inf), nextafter(float(limit), inf), -inf, inf]
    return [*whole, *floats, limit, True, False, 10**30, -(10**30)]


@pytest.mark.parametrize("text", LIMITS)
@pytest.mark.parametrize("op", list(COMPARISONS))
def test_a_comparison_is_pythons_whatever_the_limit_and_the_value(op: str, text: str) -> None:
    constraint = parse(f"params {op} {text}")
    for value in around(constraint.limit):
        assert constraint.holds(value) is COMPARISONS[op](value, constraint.limit), value
    assert not constraint.holds(nan)


@pytest.mark.parametrize("text", LIMITS)
@pytest.mark.parametrize("op", list(COMPARISONS))
def test_verdicts_on_whole_numbers_change_at_the_turns_alone(op: str, text: str) -> None:
    constraint = parse(f"params {op} {text}")
    middle = int(constraint.limit)
    numbers = range(middle - 4, middle + 5)
    verdicts = [COMPARISONS[op](n, constraint.limit) for n in numbers]
    changes = [after for (was, _), (now, after) in pairwise(zip(verdicts, numbers, strict=True)) if was != now]
    assert list(constraint.turns) == changes


@pytest.mark.parametrize(
    ("op", "low", "high"),
    [("<", -inf, 44), ("<=", -inf, 44), (">", 44, inf), (">=", 44, inf), ("==", 44, 44), ("!=", -inf, inf)],
)
def test_the_hull_of_what_is_allowed(op: str, low: float, high: float) -> None:
    hull = parse(f"params {op} 44").hull
    assert (hull.low, hull.high) == (low, high)


@pytest.mark.parametrize(
    ("value", "expr", "change"),
    [
        (44, "> 44", 1), (43, "> 44", 2), (40, ">= 44", 4), (10, "< 10", -1), (12, "< 10", -3), (12, "<= 10", -2),
        (3, "== 5", 2), (7, "== 5", -2), (5, "!= 5", 0), (3, "> 4.5", 1.5), (6, "<= 4.5", -1.5), (45, ">= 44", 0),
    ],
)  # fmt: skip
def test_by_how_much_a_metric_has_to_change(value: int, expr: str, change: float) -> None:
    assert parse(f"params {expr}").change(value) == change


@pytest.mark.parametrize(
    ("expr", "by", "sets"),
    [
        ("< 10", 0, [["<= 10"]]), ("<= 10", 3, [["<= 13"]]), ("> 10", 3, [[">= 7"]]), (">= 10", 0, [[">= 10"]]),
        ("== 10", 2, [[">= 8", "<= 12"]]), ("!= 10", 1, [["<= 11"], [">= 9"]]), ("< 2.5", 1, [["<= 3"]]),
    ],
)  # fmt: skip
def test_what_lets_values_just_beyond_a_limit_pass(expr: str, by: int, sets: list[list[str]]) -> None:
    found = parse(f"params {expr}").relaxed(by)
    assert [[c.expr for c in several] for several in found] == [[f"params {e}" for e in several] for several in sets]


@pytest.mark.parametrize(
    ("expressions", "kept"),
    [
        (["params < 200k", "params < 6k"], ["params < 6k"]),
        (["params < 6k", "params < 200k"], ["params < 6k"]),
        (["params < 6k", "params <= 6k", "params < 6k"], ["params < 6k"]),
        (["params == 3", "params != 4", "params > 2"], ["params == 3"]),
        (["params > 2", "params != 4"], ["params > 2", "params != 4"]),
        (["params < 9", "macs < 8"], ["params < 9", "macs < 8"]),
        ([], []),
    ],
)
def test_what_another_one_implies_is_left_out(expressions: list[str], kept: list[str]) -> None:
    assert strongest(parse_all(expressions)) == parse_all(kept)


def test_a_name_can_be_left_to_be_checked_later() -> None:
    relus = parse("relus < 10", None)
    assert relus == parse("relus < 10", ["relus"])
    check_metric(relus, ["relus"])
    with pytest.raises(UnusableInputError, match="unknown metric: 'relus': use one of params"):
        check_metric(relus, [])
    with pytest.raises(UnusableInputError, match="not a constraint: 'relus 10'"):
        parse_all(["relus 10"], None)


def test_constraints_that_are_parsed_already_stay_as_they_are() -> None:
    one = Constraint(metric="mine", op="<", limit=3)
    assert parse_all([one, "params < 4"]) == (one, parse("params < 4"))


def test_rules_report_and_command_line_load_no_torch() -> None:
    modules = "constraints.rules, constraints.report, constraints.cli.validate, search"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
