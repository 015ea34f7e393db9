"""What a leaderboard says below its table."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState

from nas.results.board import leaderboard
from nas.results.board_lines import cells, footer, rejections, weighed
from nas.search.study import CONFIRMED, IDENTITY, REASON, VALIDATION_IMAGES
from tests.nas.results.known import add


def below(study: optuna.Study, *, wide: bool) -> list[str]:
    return [line.plain for line in footer(leaderboard(study), wide=wide)]


def test_below_the_table_comes_what_became_of_the_proposals(study: optuna.Study) -> None:
    lines = below(study, wide=True)
    assert "1,213 proposed, 1,207 rejected; trials: 3 complete, 1 pruned, 1 running, 1 failed" in lines
    assert "rejected by: receptive_field > 44 (1,200), params < 200k (7)" in lines
    assert "trial 5 failed: diverged: loss is nan in epoch 2" in lines


def test_why_trials_were_pruned_is_counted(study: optuna.Study) -> None:
    add(study, [0.2], params=50_000, state=TrialState.PRUNED, **{REASON: "below the better half at epoch 1"})
    lines = below(study, wide=False)
    assert "pruned: 2 below the better half at epoch 1" in lines
    assert "* no other complete trial shown beats it in both accuracy and parameters" in lines


def test_no_rejection_is_said_so() -> None:
    assert rejections({}) == "none"


def test_the_legend_of_the_star_names_the_studys_objectives(study: optuna.Study) -> None:
    assert weighed(["params"]) == "both accuracy and parameters"
    assert weighed(["macs", "params"]) == "all of accuracy, MACs and parameters"
    study.set_user_attr(IDENTITY, {"objective": "accuracy,macs"})
    assert "* no other complete trial shown beats it in both accuracy and MACs" in below(study, wide=True)


def test_validation_accuracies_have_their_standard_error_where_there_is_room(study: optuna.Study) -> None:
    study.set_user_attr(VALIDATION_IMAGES, 500)
    # sqrt(0.86 x 0.14 / 500) = 0.01552
    wide, narrow = below(study, wide=True), below(study, wide=False)
    board = leaderboard(study)
    assert "86.00 ± 1.55" in cells(board.rows[0], board, deviation=True)
    assert "± in val % is the standard error of a share of 500 images" in wide
    assert "val % of trial 1 has ± 1.55: the standard error of a share of 500 images" in narrow
    assert max(map(len, wide)) <= 140


def test_one_training_has_no_deviation_but_a_number(study: optuna.Study) -> None:
    study.set_user_attr(f"{CONFIRMED}2", {"mean": 0.83, "std": 0.0, "seeds": [0]})
    board = leaderboard(study)
    assert any("83.00 (n=1)" in cells(row, board, deviation=True) for row in board.rows)


def test_reasons_are_in_the_order_of_their_epochs(study: optuna.Study) -> None:
    for epoch in (12, 3, 12):
        reason = f"below the better half at epoch {epoch}"
        add(study, [0.5], params=1, network=f"n{epoch}", state=TrialState.PRUNED, **{REASON: reason})
    lines = below(study, wide=True)
    (pruned,) = [line for line in lines if line.startswith("pruned: ")]
    assert pruned.endswith("1 below the better half at epoch 3, 2 below the better half at epoch 12")
