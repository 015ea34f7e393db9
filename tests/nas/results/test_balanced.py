"""A study that judges by balanced accuracy and against metrics of its user's own, as its leaderboard shows it."""

from __future__ import annotations

from typing import Any

import pytest

from nas.results.board import leaderboard
from nas.results.board_table import as_plain_text
from nas.results.trial_summary import StudySummary, TrialSummary
from nas.search.stored import TrialState

OBJECTIVE = "balanced_accuracy,own:max"


def trial(number: int, accuracy: float, balanced: float, own: float) -> TrialSummary:
    epoch = {"epoch": 1, "val_accuracy": accuracy, "val_balanced_accuracy": balanced, "seconds": 2.0}
    found = TrialSummary(number=number, study=0, state=TrialState.COMPLETE, intermediate_values={1: balanced})
    attrs = {"architecture": f"network-{number}", "params": 1000, "macs": 10**6, "receptive_field": 45}
    found.note({**attrs, "measured": {"own": own}, "curve": [epoch]})
    return TrialSummary.from_list(found.as_list())


@pytest.fixture
def study() -> StudySummary:
    confirmed = {"accuracies": [0.9, 0.8], "balanced_accuracies": [0.7, 0.5], "mean": 0.6, "std": 0.1, "seeds": [0, 1]}
    attrs: dict[str, Any] = {
        "identity": {"objective": OBJECTIVE, "metrics": {"name": "own.py", "hash": "0"}},
        "target": 0.6,
        "validation_images": 100,
        "confirmed:1": confirmed,
    }
    trials = [trial(0, 0.97, 0.5, 7), trial(1, 0.9, 0.7, 3), trial(2, 0.8, 0.6, 3)]
    return StudySummary(study_name="s", user_attrs=attrs, trials=trials)


def test_the_best_is_so_by_balanced_accuracy(study: StudySummary) -> None:
    board = leaderboard(study)
    assert [row.trial for row in board.rows] == [1, 2, 0]
    best = board.best
    assert (best.score, best.val_accuracy, best.val_balanced_accuracy, best.scores) == (0.7, 0.9, 0.7, (0.7,))
    assert (best.test_accuracy, best.test_balanced_accuracy, best.test_score) == pytest.approx((0.85, 0.6, 0.6))
    assert [row.meets_target for row in board.rows] == [True, False, False]
    assert board.as_dict()["measure"] == "balanced_accuracy"
    assert board.as_dict()["rows"][0]["own"] == 3


def test_the_front_knows_which_metrics_are_maximised(study: StudySummary) -> None:
    board = leaderboard(study)
    assert (board.costs, [row.trial for row in board.rows if row.pareto]) == (("own",), [1, 0])
    assert [row.trial for row in leaderboard(study, sort="own").rows] == [0, 1, 2]
    assert [row.trial for row in leaderboard(study, where=["own < 4"]).rows] == [1, 2]


def test_everything_printed_says_which_accuracy_it_is(study: StudySummary) -> None:
    text = as_plain_text(leaderboard(study))
    for words in (
        "balanced val %",
        "balanced test %",
        "target over 60.00% balanced accuracy",
        "both balanced accuracy",
    ):
        assert words in text
    assert "validation images, balanced accuracy on new images" in text
    assert " own " in text


def test_a_curve_of_an_earlier_release_is_read() -> None:
    found = TrialSummary(number=0, study=0)
    found.note({"curve": [{"epoch": 1, "val_accuracy": 0.5, "seconds": 1.0}]})
    again = TrialSummary.from_list(found.as_list())
    assert again.user_attrs["curve"] == [{"val_accuracy": 0.5, "seconds": 1.0, "val_balanced_accuracy": None}]
