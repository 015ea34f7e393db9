from __future__ import annotations

import json
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import optuna
import pytest
from optuna.trial import TrialState

from nas.results.board import leaderboard
from nas.results.selection import best, find
from nas.search.budget import LaunchSummary
from nas.search.confirmation import Confirmation, add, confirmations
from nas.search.driver import Driver
from nas.search.epochs_ahead import EpochsAhead
from nas.search.finish import FEWEST
from nas.search.outage import StorageLostError
from nas.search.retraining import digest
from nas.search.study import CONFIRMED, FINALIST, REASON, WHY
from nas.search.worker import TEST, WEIGHTS
from nas.space.attributes import ARCHITECTURE, FINISHED
from nas.training.feed import Feed
from tests.engines import HereEngine
from tests.nas.search.scripted import EPOCHS, ScriptedEngine, driver_of, epoch


def run(study: optuna.Study, engine: Any, feed: Feed, folder: Path, **options: Any) -> tuple[LaunchSummary, Driver]:
    driver = driver_of(study, engine, feed, folder, **options)
    return driver.run(), driver


GOOD, FAIR, POOR = 0.68, 0.66, 0.5
"""After the second epoch 0.76, 0.745 and 0.625: forecast over 0.85 after 12, 17 and never."""


def test_the_best_of_the_first_epochs_is_confirmed_alone_with_all_threads(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    engine = ScriptedEngine(first=[POOR, GOOD, FAIR, *[POOR] * 5], tests=[0.86])
    summary, driver = run(study, engine, whole, tmp_path)
    assert [task.until for task in engine.tasks] == [1] * FEWEST + [2, 2]
    assert {study.trials[n].intermediate_values[1] for n in (1, 2)} == {GOOD, FAIR}
    (task,) = engine.confirmed
    assert (task.epochs, task.until, task.threads) == (12, 12, 4)
    assert task.feed.split is None
    winner = study.trials[1]
    assert winner.state == TrialState.COMPLETE
    assert winner.value == pytest.approx(1 - 0.32 * 0.75)
    assert winner.user_attrs[FINISHED] == {"epochs": 12, "threads": 4}
    assert winner.user_attrs[WHY] == [
        "1st of 8 at epoch 1: top 2 promoted",
        "best forecast at epoch 2: it is confirmed",
    ]
    others = [t for t in study.trials if t.number != 1]
    assert {t.state for t in others} == {TrialState.PRUNED}
    assert {t.user_attrs[REASON].partition(" at ")[0] for t in others} <= {"the search met its target"}
    assert (summary.reached, summary.unfinished) == (True, 0)
    assert summary.ended == (
        "the target is met: trial 1 is confirmed at 86.00% accuracy of 10,000 test images "
        "(12 epochs on all training images; 95%: 85.31% to 86.67%), over 85.00%"
    )
    assert study.user_attrs[FINALIST] == {}
    assert any("trial 1 has 76.00% after 2 epochs: it is confirmed by 12 epochs" in note for note in driver.notes)


def test_a_lucky_first_epoch_keeps_none_of_the_second_rung_from_its_confirmation(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    """0.68 after one epoch is forecast at an error of 0.127, 0.757 after two at 0.132."""
    engine = ScriptedEngine(first=[POOR, GOOD + 0.002, GOOD + 0.001, GOOD, *[POOR] * 4], tests=[0.86], left=0.765)
    run(study, engine, whole, tmp_path)
    assert [task.until for task in engine.tasks] == [1] * FEWEST + [2, 2]
    assert study.trials[1].state == TrialState.COMPLETE


def test_what_is_confirmed_is_the_best_whatever_others_have_after_more_epochs(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    run(study, ScriptedEngine(first=[GOOD, *[POOR] * 7], tests=[0.86]), whole, tmp_path)
    study.add_trial(
        optuna.trial.create_trial(
            value=0.84,
            user_attrs={**study.trials[1].user_attrs, "curve": [epoch(1, 0.84)], "architecture": "another"},
            intermediate_values={1: 0.84},
        )
    )
    board = leaderboard(study)
    assert (board.best.trial, board.best.meets_target, board.best.finished) == (0, True, 12)
    assert (find(study, "best", is_live=None).trial, best(study, is_live=None)[0].trial) == (0, 0)
    assert board.best.test_accuracy == 0.86
    assert board.expected is not None
    assert board.expected.trial == len(study.trials) - 1, "of a few epochs nothing is said"


def test_a_miss_is_kept_and_the_search_continues(study: optuna.Study, whole: Feed, tmp_path: Path) -> None:
    engine = ScriptedEngine(first=[GOOD, *[POOR] * 7, GOOD + 0.03, *[POOR] * 20], tests=[0.845, 0.86])
    summary, driver = run(study, engine, whole, tmp_path)
    assert summary.reached
    missed, won = study.trials[0], study.trials[8]
    assert (missed.state, won.state) == (TrialState.COMPLETE, TrialState.COMPLETE)
    assert [confirmations(study, n)[0].mean for n in (0, 8)] == [0.845, 0.86]
    assert any(note.endswith("not over 85.00%: the search continues") for note in driver.notes)
    assert len(engine.confirmed) == 2
    board = leaderboard(study, top=None)
    assert (board.best.trial, {row.trial: row.meets_target for row in board.rows}[0]) == (8, False)


def test_a_network_that_no_training_is_expected_to_bring_over_the_target_is_confirmed_last(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    engine = ScriptedEngine(first=[POOR], tests=[0.7])
    summary, _ = run(study, engine, whole, tmp_path, trials=9)
    assert (summary.ended, summary.reached) == ("every trial of the budget is done", False)
    (task,) = engine.confirmed
    assert task.epochs == EPOCHS
    pruned = [t for t in study.trials if t.user_attrs.get(REASON) == "below the better half at epoch 1"]
    assert pruned
    assert all(t.user_attrs[WHY][-1].endswith("of 9 at epoch 1: top 4 promoted") for t in pruned)


def test_a_candidate_that_trains_alone_has_all_threads_and_says_so(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    engine = ScriptedEngine(first=[POOR], tests=[0.7])
    run(study, engine, whole, tmp_path, trials=2)
    alone = [task for task in engine.tasks if task.threads is not None]
    assert {task.threads for task in engine.tasks[:2]} == {None}
    assert {task.threads for task in alone} == {4}
    (last,) = [t for t in study.trials if t.state == TrialState.COMPLETE and FINISHED not in t.user_attrs]
    assert "from epoch 3 on with 4 threads: no other candidate for the free cores" in last.user_attrs[WHY]


def test_a_search_may_end_at_two_networks(study: optuna.Study, whole: Feed, tmp_path: Path) -> None:
    engine = ScriptedEngine(first=[GOOD, GOOD + 0.01, *[POOR] * 6], tests=[0.86, 0.87])
    summary, _ = run(study, engine, whole, tmp_path, count=2)
    assert len(engine.confirmed) == 2
    assert summary.ended.count("is confirmed at") == 2


def test_an_interrupted_confirmation_is_resumed_and_one_that_ended_is_not_made_again(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    engine = ScriptedEngine(first=[GOOD, *[POOR] * 7], tests=[0.86])
    with (
        patch.object(engine, "wait", side_effect=lambda futures, seconds: _interrupt(bool(engine.confirmed))),
        pytest.raises(KeyboardInterrupt),
    ):
        driver_of(study, engine, whole, tmp_path).run()
    assert study.user_attrs[FINALIST] == {"trial": 0, "epochs": 12, "threads": 4}
    assert {t.state for t in study.trials} == {TrialState.RUNNING}
    again = ScriptedEngine(first=[POOR], tests=[0.86])
    summary, _ = run(study, again, whole, tmp_path)
    assert (len(again.tasks), [task.epochs for task in again.confirmed]) == (0, [12])
    assert again.confirmed[0].folder == engine.confirmed[0].folder
    assert summary.reached
    third = ScriptedEngine(first=[POOR], tests=[])
    summary, _ = run(study, third, whole, tmp_path)
    assert (summary.reached, third.tasks, third.confirmed) == (True, [], [])


def _interrupt(now: bool) -> None:
    if now:
        raise KeyboardInterrupt


@pytest.mark.parametrize("method", ["set_finished", "complete", "set_finalist"])
def test_a_kill_between_two_writes_costs_no_second_look_at_the_test_set(
    study: optuna.Study, whole: Feed, tmp_path: Path, method: str
) -> None:
    """The accuracy is stored first; the next launch adds what is missing after it."""
    engine = ScriptedEngine(first=[GOOD, *[POOR] * 7], tests=[0.86])
    driver = driver_of(study, engine, whole, tmp_path)
    before = getattr(driver.store, method)

    def killed(*args: Any, **options: Any) -> None:
        _interrupt(not args or args[0] == {} or method != "set_finalist")
        before(*args, **options)

    setattr(driver.store, method, killed)
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    third = ScriptedEngine(first=[POOR], tests=[])
    summary, _ = run(study, third, whole, tmp_path)
    assert (summary.reached, third.confirmed) == (True, [])
    assert study.trials[0].state == TrialState.COMPLETE
    assert study.trials[0].user_attrs[FINISHED]["epochs"] == 12
    assert leaderboard(study).best.trial == 0


@pytest.mark.parametrize(("deaths", "state"), [(2, TrialState.COMPLETE), (3, TrialState.FAIL)])
def test_a_worker_that_dies_is_started_again(
    study: optuna.Study, whole: Feed, tmp_path: Path, deaths: int, state: TrialState
) -> None:
    engine = ScriptedEngine(first=[GOOD, *[POOR] * 7], tests=[0.86])
    engine.raises = [BrokenProcessPool() for _ in range(deaths)]
    summary, driver = run(study, engine, whole, tmp_path, trials=8)
    assert study.trials[0].state == state
    assert summary.reached, "where it fails, by the best of the others"
    assert [bool(confirmations(study, n)) for n in (0, 1)] == [state == TrialState.COMPLETE, state == TrialState.FAIL]
    if state == TrialState.FAIL:
        assert study.trials[0].user_attrs[REASON] == "its confirmation: its worker died 3 times"
        assert "trial 0 cannot be confirmed: its worker died 3 times" in driver.notes


def test_a_disk_that_stays_full_ends_the_launch_and_the_next_one_resumes(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    engine = ScriptedEngine(first=[GOOD, *[POOR] * 7], tests=[])
    engine.raises = [OSError(28, "No space left on device") for _ in range(3)]
    with pytest.raises(OSError, match="No space left"):
        driver_of(study, engine, whole, tmp_path).run()
    summary, _ = run(study, ScriptedEngine(first=[POOR], tests=[0.86]), whole, tmp_path)
    assert summary.reached


@pytest.mark.parametrize("method", ["set_finalist", "set_finished", "complete"])
def test_a_storage_that_is_away_for_a_moment_changes_nothing(
    study: optuna.Study, whole: Feed, tmp_path: Path, method: str
) -> None:
    engine = ScriptedEngine(first=[GOOD, *[POOR] * 7], tests=[0.86])
    driver = driver_of(study, engine, whole, tmp_path)
    before, away = getattr(driver.store, method), [StorageLostError("away")]

    def failing(*args: Any, **options: Any) -> None:
        if away:
            raise away.pop()
        before(*args, **options)

    setattr(driver.store, method, failing)
    summary = driver.run()
    assert summary.reached
    assert len(engine.confirmed) == 1
    assert study.trials[0].user_attrs[FINISHED]["epochs"] == 12
    assert leaderboard(study).best.trial == 0


def test_the_time_limit_leaves_the_confirmation_to_the_next_launch(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    engine = ScriptedEngine(first=[GOOD, *[POOR] * 7], tests=[], is_slow=True)
    driver = driver_of(study, engine, whole, tmp_path)
    driver.clock = lambda: driver.started + (2e6 if engine.confirmed else 0.0)
    summary = driver.run()
    assert (summary.reached, summary.unfinished) == (False, FEWEST)
    assert summary.ended == "the time is spent in the middle of the confirmation of trial 0"
    resumed = ScriptedEngine(first=[POOR], tests=[0.86])
    summary, _ = run(study, resumed, whole, tmp_path)
    assert summary.reached
    assert (resumed.tasks, [task.folder for task in resumed.confirmed]) == ([], [engine.confirmed[0].folder])


def test_where_the_time_would_not_suffice_later_the_best_is_confirmed_now(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    """0.75 after one epoch is forecast over the target after 8, which take 92 s at most; that leaves no two epochs."""
    engine = ScriptedEngine(first=[0.75, POOR], tests=[0.86])
    summary, _ = run(study, engine, whole, tmp_path, seconds=105.0)
    assert summary.reached
    assert len(engine.tasks) < FEWEST
    assert [task.epochs for task in engine.confirmed] == [8]


def test_a_real_confirmation_leaves_weights_that_are_found(
    study: optuna.Study, feed: Feed, whole_feed: Feed, tmp_path: Path
) -> None:
    driver = driver_of(study, HereEngine(), whole_feed, tmp_path, trials=1, epochs=4, target=0.001)
    driver.dispatch.feed = feed
    summary = driver.run()
    assert summary.reached
    row = leaderboard(study).best
    assert (row.state, row.finished, row.epochs) == ("complete", 4, 2)
    folder = tmp_path / f"confirm-{row.trial:05d}-{digest(str(row.architecture))}" / "epochs-4-run-0"
    assert (folder / WEIGHTS).exists()
    assert json.loads((folder / TEST).read_text())["test_accuracy"] == row.test_accuracy


def interrupted(study: optuna.Study, whole: Feed, folder: Path) -> ScriptedEngine:
    """A search that ends in the middle of the confirmation of trial 0, which has 12 epochs."""
    engine = ScriptedEngine(first=[GOOD, *[POOR] * 7], tests=[], is_slow=True)
    driver = driver_of(study, engine, whole, folder)
    driver.clock = lambda: driver.started + (2e6 if engine.confirmed else 0.0)
    driver.run()
    assert study.user_attrs[FINALIST] == {"trial": 0, "epochs": 12, "threads": 4}
    return engine


def confirmed_by_hand(study: optuna.Study, trial: int, epochs: int, accuracy: float) -> None:
    text = study.trials[trial].user_attrs[ARCHITECTURE]
    one = Confirmation(trial=trial, architecture=text, epochs=epochs, seeds=(0,), accuracies=(accuracy,), seconds=1.0)
    add(study, one)


@pytest.mark.parametrize("epochs", [1, 8, 13, 20])
def test_an_interrupted_confirmation_is_resumed_whatever_a_person_confirmed_meanwhile(
    study: optuna.Study, whole: Feed, tmp_path: Path, epochs: int
) -> None:
    interrupted(study, whole, tmp_path)
    confirmed_by_hand(study, 0, epochs, 0.5)
    again = ScriptedEngine(first=[POOR], tests=[0.86, 0.7])
    run(study, again, whole, tmp_path, trials=8)
    assert [task.epochs for task in again.confirmed][:1] == [12]
    assert {one.epochs for one in confirmations(study, 0)} == {12, epochs}
    assert study.trials[0].user_attrs[FINISHED] == {"epochs": 12, "threads": 4}


def test_a_confirmation_shorter_than_any_of_the_search_changes_nothing(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    interrupted(study, whole, tmp_path)
    study.set_user_attr(FINALIST, {})
    for trial in (0, 1):
        confirmed_by_hand(study, trial, 1, 0.3)
    again = ScriptedEngine(first=[POOR], tests=[0.86])
    summary, _ = run(study, again, whole, tmp_path)
    assert [(task.epochs, task.architecture) for task in again.confirmed] == [
        (12, study.trials[0].user_attrs[ARCHITECTURE])
    ]
    assert summary.reached


@pytest.mark.parametrize("missed", [0.849, 0.3])
def test_after_a_miss_by_whatever_the_next_network_trains_as_long_as_a_candidate(
    study: optuna.Study, whole: Feed, tmp_path: Path, missed: float
) -> None:
    """Both are forecast over the target after 12 epochs; the test set says only that one was not enough."""
    engine = ScriptedEngine(first=[GOOD, GOOD, *[POOR] * 6], tests=[missed, 0.86])
    summary, _ = run(study, engine, whole, tmp_path)
    assert summary.reached
    assert [task.epochs for task in engine.confirmed] == [12, EPOCHS]
    assert len({task.architecture for task in engine.confirmed}) == 2


def test_where_the_trials_are_used_up_after_a_miss_the_best_complete_one_is_confirmed(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    engine = ScriptedEngine(first=[GOOD, *[POOR] * 7], tests=[0.84, 0.7])
    summary, _ = run(study, engine, whole, tmp_path, trials=8)
    assert not summary.reached
    assert [task.epochs for task in engine.confirmed] == [12, EPOCHS]
    last = next(t for t in study.trials if t.user_attrs[ARCHITECTURE] == engine.confirmed[1].architecture)
    assert (last.state, FINISHED in last.user_attrs) == (TrialState.COMPLETE, False)
    again = ScriptedEngine(first=[POOR], tests=[])
    assert not run(study, again, whole, tmp_path, trials=8)[0].reached
    assert again.confirmed == [], "the next launch finds them confirmed"
    confirmed_by_hand(study, last.number, 25, 0.86)
    assert run(study, again, whole, tmp_path, trials=8)[0].reached


def test_what_is_confirmed_last_has_the_study_s_precisions(study: optuna.Study, whole: Feed, tmp_path: Path) -> None:
    engine = ScriptedEngine(first=[POOR], tests=[0.7])
    run(study, engine, whole, tmp_path, trials=9)
    number = next(n for n in range(9) if confirmations(study, n))
    study.set_user_attr(f"{CONFIRMED}{number}", {})
    again = ScriptedEngine(first=[POOR], tests=[0.7])
    driver = driver_of(study, again, whole, tmp_path, trials=9)
    driver.precisions = lambda: {"some CPU": "float32"}
    driver.run()
    assert again.tasks == []
    assert [task.precisions for task in again.confirmed] == [{"some CPU": "float32"}]


@pytest.mark.parametrize(("kept", "threads"), [({"threads": 2}, 2), ({}, None)])
def test_a_network_whose_confirmation_is_stored_is_complete_without_its_files(
    study: optuna.Study, whole: Feed, tmp_path: Path, kept: dict[str, int], threads: int | None
) -> None:
    """As on another machine; with the threads that trained it, not those of this launch."""
    interrupted(study, whole, tmp_path)
    confirmed_by_hand(study, 0, 12, 0.86)
    study.set_user_attr(FINALIST, {"trial": 0, "epochs": 12, **kept})
    again = ScriptedEngine(first=[POOR], tests=[])
    summary, _ = run(study, again, whole, tmp_path / "elsewhere")
    assert (summary.reached, summary.unfinished, again.tasks) == (True, FEWEST - 1, [])
    winner = study.trials[0]
    assert winner.state == TrialState.COMPLETE
    assert winner.value == pytest.approx(0.76)
    assert winner.user_attrs[FINISHED] == {"epochs": 12, "threads": threads}


def test_an_end_that_is_stored_late_leaves_no_worker_with_epochs_to_make(
    study: optuna.Study, whole: Feed, tmp_path: Path
) -> None:
    """The storage was out of reach between the confirmation and its end: what trains next finds its worker free."""
    interrupted(study, whole, tmp_path)
    confirmed_by_hand(study, 0, 12, 0.86)
    engine = ScriptedEngine(first=[POOR], tests=[])
    driver = driver_of(study, engine, whole, tmp_path)
    assert driver.finish is not None
    driver.pool.take_up(driver.store.trials())
    driver.finish.finalist.ahead = EpochsAhead(engine=engine, feed=whole, epochs=12)
    assert driver.finish.finalist.ends_due()
    assert driver.finish.finalist.ahead is None


@pytest.mark.parametrize("stop", [True, False])
def test_after_a_win_the_target_is_met_without_confirming_too(
    study: optuna.Study, whole: Feed, tmp_path: Path, *, stop: bool
) -> None:
    run(study, ScriptedEngine(first=[GOOD, *[POOR] * 7], tests=[0.86]), whole, tmp_path)
    again = ScriptedEngine(first=[POOR], tests=[])
    driver = driver_of(study, again, whole, tmp_path, count=0, stop_at_target=stop, trials=10)
    summary = driver.run()
    assert summary.reached
    assert bool(again.tasks) is not stop
    driver.target.budget = replace(driver.budget, target=0.87)
    driver._take_up()
    assert not driver.target.is_reached
