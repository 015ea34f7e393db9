from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from constraints.errors import UnusableInputError
from nas.results.board import leaderboard
from nas.results.rows import SORT_KEYS, TrialLocation
from tests.nas.results.known import EPOCH_SECONDS, add


def shown(study: optuna.Study, **view: Any) -> list[int]:
    board = leaderboard(study, **view)
    assert [row.rank for row in board.rows] == list(range(1, len(board.rows) + 1))
    return [row.trial for row in board.rows]


def test_the_json_document_has_the_keys_of_the_contract(study: optuna.Study) -> None:
    document = json.loads(json.dumps(leaderboard(study).as_dict()))
    promised = {"study", "data", "target", "measure", "counts", "rejected", "rows", "expected"}
    assert set(document) == {*promised, "validation_images"}
    assert (document["study"], document["data"], document["target"]) == ("known", "digits", 0.85)
    assert document["rejected"] == {"params < 200k": 7, "receptive_field > 44": 1200}
    counts = {"proposed": 6 + 7 + 1200, "complete": 3, "pruned": 1, "running": 1, "unfinished": 0, "failed": 1}
    assert document["counts"] == counts
    best = document["rows"][0]
    assert best == {
        "rank": 1,
        "trial": 1,
        "state": "complete",
        "val_accuracy": 0.86,
        "test_accuracy": 0.84,
        "test_std": 0.01,
        "test_seeds": 2,
        "origin": None,
        "finished": None,
        "won": False,
        "seed": None,
        "broken": [],
        "params": 150_000,
        "macs": 150_000_000,
        "receptive_field": 46,
        "epochs": 2,
        "seconds": 2 * EPOCH_SECONDS,
        "meets_target": True,
        "architecture": "network-1",
        "val_balanced_accuracy": None,
        "test_balanced_accuracy": None,
        "pareto": True,
        "reason": "",
        "curve": [0.6, 0.86],
    }


def test_best_first_and_what_is_not_known_yet_is_null_and_last(study: optuna.Study) -> None:
    assert shown(study) == [1, 2, 0, 3, 5, 4]
    last = leaderboard(study).rows[-1].__dict__
    assert [last[key] for key in ("val_accuracy", "test_accuracy", "epochs", "seconds")] == [None, None, 0, 0]


def test_the_target_is_met_by_more_than_it_and_by_complete_trials_alone(study: optuna.Study) -> None:
    add(study, [0.99], params=1_000, state=TrialState.PRUNED)
    assert [row.trial for row in leaderboard(study).rows if row.meets_target] == [1]


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("params", [3, 5, 4, 0, 2, 1]),
        ("macs", [3, 5, 4, 0, 2, 1]),
        ("receptive_field", [5, 4, 3, 2, 1, 0]),
        ("epochs", [0, 1, 2, 3, 5, 4]),
        ("seconds", [4, 3, 5, 0, 1, 2]),
        ("test_accuracy", [1, 0, 2, 3, 4, 5]),
        ("meets_target", [1, 0, 2, 3, 4, 5]),
        ("trial", [0, 1, 2, 3, 4, 5]),
        ("architecture", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_accuracies_fields_and_epochs_rank_from_the_top_and_costs_from_the_bottom(
    study: optuna.Study, key: str, order: list[int]
) -> None:
    assert shown(study, sort=key) == order


def test_every_sort_key_ranks_every_trial(study: optuna.Study) -> None:
    assert all(sorted(shown(study, sort=key)) == [0, 1, 2, 3, 4, 5] for key in SORT_KEYS)


@pytest.mark.parametrize(
    ("states", "trials"),
    [
        (["complete"], [1, 2, 0]),
        (["pruned"], [3]),
        (["running"], [4]),
        (["failed"], [5]),
        (["failed", "running"], [5, 4]),
        ([], [1, 2, 0, 3, 5, 4]),
    ],
)
def test_states_choose_rows_and_the_counts_stay_whole(
    study: optuna.Study, states: list[str], trials: list[int]
) -> None:
    assert shown(study, states=states) == trials
    assert leaderboard(study, states=states).counts == leaderboard(study).counts


@pytest.mark.parametrize(("top", "trials"), [(1, [1]), (2, [1, 2]), (5, [1, 2, 0, 3, 5]), (6, [1, 2, 0, 3, 5, 4])])
def test_the_best_few(study: optuna.Study, top: int, trials: list[int]) -> None:
    assert shown(study, top=top) == trials


def test_twenty_are_shown_unless_asked_otherwise(study: optuna.Study) -> None:
    for number in range(20):
        add(study, [0.1 + number / 100], params=1_000)
    assert len(leaderboard(study).rows) == 20
    assert len(leaderboard(study, top=None).rows) == 26


def test_the_front_holds_what_no_other_beats(study: optuna.Study) -> None:
    assert shown(study, pareto=True) == [1, 2, 0]
    assert shown(study, pareto=True, states=["complete"]) == [1, 2, 0]
    add(study, [0.85], params=119_999)  # beats trial 2
    assert shown(study, pareto=True) == [1, 7, 0]
    add(study, [0.85], params=119_999)  # a twin
    assert shown(study, pareto=True) == [1, 7, 8, 0]
    add(study, [0.86], params=150_001)
    assert shown(study, pareto=True) == [1, 7, 8, 0]


@pytest.mark.parametrize(
    ("state", "name"),
    [(TrialState.PRUNED, "pruned"), (TrialState.RUNNING, "running"), (TrialState.FAIL, "failed")],
)
def test_a_trial_that_was_not_trained_to_the_end_is_not_on_the_front_and_beats_nothing_on_it(
    study: optuna.Study, state: TrialState, name: str
) -> None:
    before = shown(study, pareto=True)
    add(study, [0.99], params=1_000, state=state)
    assert shown(study, pareto=True) == before
    assert {row.trial for row in leaderboard(study).rows if row.pareto} == set(before)
    assert leaderboard(study, states=[name], pareto=True).rows == ()


def test_the_front_is_that_of_optuna() -> None:
    """With accuracy and parameters as a study's own objectives."""
    of_optuna = optuna.create_study(directions=["maximize", "minimize"])
    ours = optuna.create_study(study_name="ours")
    rng = random.Random(0)
    for number in range(60):
        accuracy, params = rng.randint(1, 20) / 20, rng.randint(1, 20)
        state = rng.choice([TrialState.COMPLETE, TrialState.PRUNED])
        values = [accuracy, params] if state == TrialState.COMPLETE else None
        of_optuna.add_trial(optuna.trial.create_trial(state=state, values=values))
        add(ours, [accuracy], params=params, state=state, network=f"n{number}")
    expected = {trial.number for trial in of_optuna.best_trials}
    assert {row.trial for row in leaderboard(ours, top=None, pareto=True).rows} == expected


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ({"sort": ""}, "unknown sort key: ''"),
        ({"sort": "accuracy"}, "unknown sort key: 'accuracy': did you mean val_accuracy, test_accuracy?"),
        ({"states": ["done"]}, "unknown state: 'done': use complete, pruned, running, unfinished, failed"),
    ],
)
def test_an_unknown_view_is_refused_with_what_there_is(study: optuna.Study, view: dict[str, Any], message: str) -> None:
    with pytest.raises(UnusableInputError) as caught:
        leaderboard(study, **view)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("where", "trials"),
    [
        (["params < 150k"], [2, 0, 3, 5, 4]),
        (["params <= 150k", "val_accuracy > 0.5"], [1, 2]),
        (["val_accuracy >= 0.5"], [1, 2, 0]),  # trial 4 has no epoch yet
        (["meets_target == true"], [1]),
        (["test_accuracy > 0"], [1]),
    ],
)
def test_comparisons_choose_rows(study: optuna.Study, where: list[str], trials: list[int]) -> None:
    assert shown(study, where=where) == trials


def test_the_front_is_marked_among_the_rows_shown(study: optuna.Study) -> None:
    marked = {row.trial for row in leaderboard(study).rows if row.pareto}
    assert marked == set(shown(study, pareto=True))
    assert {row.trial for row in leaderboard(study, where=["params < 150k"]).rows if row.pareto} == {2, 0}


def test_a_study_without_trials_has_an_empty_leaderboard() -> None:
    board = leaderboard(optuna.create_study(study_name="new"))
    assert board.rows == ()
    assert board.counts == {"proposed": 0, "complete": 0, "pruned": 0, "running": 0, "unfinished": 0, "failed": 0}
    assert board.target is None


def test_the_best_is_the_best_complete_trial_of_the_study_whatever_is_shown(study: optuna.Study) -> None:
    add(study, [0.99], params=1_000, state=TrialState.PRUNED)
    assert leaderboard(study, top=1, where=["params < 2k"]).best.trial == 1
    best = leaderboard(study).best
    assert (best.rank, best.val_accuracy) == (2, 0.86)
    assert leaderboard(study, states=["failed"]).best == replace(best, rank=1, pareto=False)


def test_a_row_knows_its_study_and_says_so_in_no_document(study: optuna.Study) -> None:
    board = leaderboard(study, storage="journal.log")
    assert {row.source for row in (*board.rows, board.best)} == {TrialLocation("journal.log", "known")}
    assert board.to_json() == leaderboard(study).to_json()
    assert leaderboard(study).best.source is None


def test_a_single_text_is_one_state_or_comparison(study: optuna.Study) -> None:
    assert shown(study, states="failed") == [5]
    assert shown(study, where="params < 60k") == [3]


def test_a_negative_number_of_rows_is_refused(study: optuna.Study) -> None:
    assert shown(study, top=0) == []
    with pytest.raises(UnusableInputError, match=r"^top is out of range: -1: give how many rows, 0 or more$"):
        leaderboard(study, top=-1)
