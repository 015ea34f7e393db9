"""Two trials side by side, as a table and as a JSON document."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from nas.results.board import leaderboard
from nas.results.comparison_table import comparison, print_comparison
from nas.results.trial_card import Card, card
from tests.nas.results.known import network_study


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> list[Card]:
    study = network_study(tmp_path_factory.mktemp("study") / "journal.log")
    return [card(study, row) for row in leaderboard(study).rows[:2]]


@pytest.mark.parametrize("width", [80, 120])
def test_two_trials_are_shown_side_by_side(cards: list[Card], width: int) -> None:
    printed = io.StringIO()
    print_comparison(cards[0], cards[1], Console(file=printed, width=width, color_system=None))
    lines = printed.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    accuracy = next(line.split() for line in lines if line.startswith("val_accuracy"))
    assert accuracy == ["val_accuracy", "87.50%", "62.50%", "-25.00", "points"]
    assert any("+c16 → +dw.pw16" in line and "c16 → c16 → c16s2" in line for line in lines)


def test_differences_are_right_minus_left(cards: list[Card]) -> None:
    found = json.loads(json.dumps(comparison(cards[0], cards[1])))
    assert found["differences"]["val_accuracy"] == -0.25
    metrics = [found[side]["report"]["metrics"]["params"] for side in ("left", "right")]
    assert found["differences"]["params"] == metrics[1] - metrics[0]
    assert "test_accuracy" not in found["differences"]


@pytest.mark.parametrize("measured", [({"latency_ms": 1.5}, {}), ({}, {"latency_ms": 1.5}), ({"own": 1}, {"other": 2})])
def test_a_metric_of_one_of_them_alone_is_shown_without_a_difference(
    cards: list[Card], measured: tuple[dict[str, float], dict[str, float]]
) -> None:
    """As of a trial beside a champion, of which a user's metrics are not measured."""
    left, right = (replace(c, row=replace(c.row, measured=m)) for c, m in zip(cards, measured, strict=True))
    printed = io.StringIO()
    print_comparison(left, right, Console(file=printed, width=120, color_system=None))
    for name in {**measured[0], **measured[1]}:
        (line,) = (line for line in printed.getvalue().splitlines() if line.startswith(f"{name} "))
        assert line.split() in ([name, "1.5", "-"], [name, "-", "1.5"], [name, "1", "-"], [name, "-", "2"])
        assert name not in comparison(left, right)["differences"]
