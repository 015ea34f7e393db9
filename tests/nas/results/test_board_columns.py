"""Columns by name: which there are, how they are headed, and what a cell says."""

from __future__ import annotations

from typing import Any

import pytest

from constraints.errors import UnusableInputError
from nas.results.board_columns import CURVE, HEADINGS, cell, check_columns, is_left, read_columns, value
from nas.results.network_text import NetworkText
from nas.results.rows import COLUMNS, Row


def row(**values: Any) -> Row:
    usual = {
        "rank": 1, "trial": 3, "state": "complete", "val_accuracy": 0.5, "test_accuracy": None, "params": 1234,
        "macs": 2_500_000, "receptive_field": 45, "epochs": 2, "seconds": 75.4, "meets_target": False,
        "architecture": "c16",
    }  # fmt: skip
    return Row(**{**usual, **values})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (None, ()),
        ("trial", ("trial",)),
        ("trial, params ,curve", ("trial", "params", "curve")),
        ("trial,", ("trial", "")),
        ("", ("",)),
    ],
)
def test_columns_are_read_from_a_list(text: str | None, names: tuple[str, ...]) -> None:
    assert read_columns(text) == names


def test_every_column_and_what_was_measured_is_known() -> None:
    check_columns((*COLUMNS, CURVE, "latency_ms"), ["latency_ms"])
    check_columns((), [])
    assert set(HEADINGS) <= set(COLUMNS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("parms", r"^unknown column: 'parms': did you mean params"),
        ("", r"^unknown column: '': "),
        ("latency_ms", r"^unknown column: 'latency_ms': "),
        ("curves", r"^unknown column: 'curves': did you mean curve"),
    ],
)
def test_another_column_is_refused_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UnusableInputError, match=message):
        check_columns(["trial", name], [])


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("val_accuracy", {}, "50.00"),
        ("test_accuracy", {}, "-"),
        ("test_std", {"test_std": 0.0123}, "1.23"),
        ("params", {}, "1,234"),
        ("macs", {}, "2.5"),
        ("macs", {"macs": None}, "?"),
        ("seconds", {}, "1m15s"),
        ("seconds", {"seconds": None}, "-"),
        ("meets_target", {}, "no"),
        ("meets_target", {"meets_target": True}, "yes"),
        ("meets_target", {"meets_target": None}, "-"),
        ("state", {}, "complete"),
        ("broken", {"broken": ("params < 1", "macs < 2")}, "params < 1, macs < 2"),
        ("broken", {}, ""),
        ("seed", {"seed": 0}, "0"),
        ("latency_ms", {"measured": {"latency_ms": 1.23456}}, "1.235"),
        ("latency_ms", {}, "-"),
        (CURVE, {"scores": (0.0, None, 1.0)}, "▁ █"),
        (CURVE, {}, ""),
    ],
)
def test_a_cell_says_a_value_or_that_there_is_none(name: str, values: dict[str, Any], text: str) -> None:
    assert cell(row(**values), name) == text


def test_a_network_is_shown_with_its_origin() -> None:
    shown = cell(row(origin="net.py:Net", seed=0), "architecture")
    assert isinstance(shown, NetworkText)
    assert value(row(), "architecture") == "c16"


def test_a_curve_is_a_list_of_accuracies() -> None:
    assert value(row(curve=(0.25, None), scores=(0.1, None)), CURVE) == [0.25, None]


def test_texts_are_aligned_left_and_numbers_right() -> None:
    assert {name for name in (*COLUMNS, CURVE) if is_left(name)} == {
        "state", "architecture", "origin", "reason", "broken", CURVE
    }  # fmt: skip
