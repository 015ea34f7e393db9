"""The one confirmation in progress: stored before it begins, ended once its result is stored, forgotten after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nas.search.candidate import State
from nas.search.confirmation import Confirmation, add, confirmations
from nas.search.contenders import of_candidate
from nas.search.driver import Driver
from nas.search.finalist import Due, Finalist
from nas.search.retraining import OWN_DRAWS
from nas.search.study import FINALIST, REASON, WHY
from nas.search.worker import Confirmed
from nas.space.attributes import FINISHED
from nas.training.feed import Feed
from tests.nas.search.scripted import ScriptedEngine, driver_of, epoch


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(first=[0.5], tests=[0.875])


@pytest.fixture
def search(study: optuna.Study, whole: Feed, tmp_path: Path, engine: ScriptedEngine) -> Driver:
    """A search whose first candidate waits after two epochs."""
    driver = driver_of(study, engine, whole, tmp_path)
    candidate = driver.next.choose(1e6)
    assert candidate is not None
    driver.pool.move(candidate, State.TRAINING)
    for number in (1, 2):
        driver.pool.add_epoch(candidate, epoch(number, 0.25 * number))
    driver.pool.move(candidate, State.PAUSED)
    return driver


def finalist(search: Driver) -> Finalist:
    assert search.finish is not None
    return search.finish.finalist


def begin(search: Driver, epochs: int = 12) -> None:
    (candidate,) = search.pool.of(State.PAUSED)
    finalist(search).begin(of_candidate(candidate, 0.5, 5000), epochs, expected=0.875)


def confirmed(epochs: int, trial: int = 0) -> Confirmation:
    return Confirmation(trial=trial, architecture="", epochs=epochs, seeds=(0,), accuracies=(0.9,), seconds=1.0)


def test_it_is_stored_before_it_trains_with_all_threads(
    search: Driver, study: optuna.Study, engine: ScriptedEngine, tmp_path: Path
) -> None:
    assert not finalist(search).is_under_way
    begin(search)
    assert study.user_attrs[FINALIST] == {"trial": 0, "epochs": 12, "threads": 4}
    assert finalist(search).is_under_way
    (task,) = engine.confirmed
    assert (task.epochs, task.until, task.threads, task.seed) == (12, 12, 4, OWN_DRAWS)
    assert (task.feed.split, task.feed.seed) == (None, OWN_DRAWS)
    assert task.folder.parent.parent == tmp_path
    assert search.notes[-1] == (
        "trial 0 has 50.00% after 2 epochs: it is confirmed by 12 epochs on all training images with 4 threads; "
        "forecast: 87.50% of the test images"
    )
    assert study.trials[0].user_attrs[WHY] == ["best forecast at epoch 2: it is confirmed"]


def test_its_result_completes_the_trial_by_its_own_last_epoch(search: Driver, study: optuna.Study) -> None:
    assert finalist(search).outcome() is None
    begin(search)
    outcome = finalist(search).outcome()
    assert outcome is not None
    finalist(search).store(outcome)
    finalist(search).leave()
    (found,) = confirmations(study, 0)
    assert (found.mean, found.epochs, found.seeds, found.test_images) == (0.875, 12, (0,), 10_000)
    (trial,) = study.trials
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.5)
    assert trial.user_attrs[FINISHED] == {"epochs": 12, "threads": 4}
    assert study.user_attrs[FINALIST] == {}
    assert not finalist(search).is_under_way
    assert finalist(search).futures == []
    assert search.pool.members == {}


def test_one_that_fails_fails_its_candidate(search: Driver, study: optuna.Study) -> None:
    begin(search)
    finalist(search).give_up("it diverged")
    finalist(search).leave()
    assert study.trials[0].state == TrialState.FAIL
    assert study.trials[0].user_attrs[REASON] == "its confirmation: it diverged"
    assert search.notes[-1] == "trial 0 cannot be confirmed: it diverged"
    assert (study.user_attrs[FINALIST], confirmations(study, 0)) == ({}, [])


def test_one_of_a_complete_trial_that_fails_leaves_it_complete(search: Driver, study: optuna.Study) -> None:
    begin(search)
    (candidate,) = search.pool.of(State.PAUSED)
    search.pool.complete(candidate)
    finalist(search).give_up("it diverged")
    assert study.trials[0].state == TrialState.COMPLETE


@pytest.mark.parametrize(
    ("stored", "due"),
    [
        ({"trial": 0, "epochs": 12, "threads": 2}, Due(trial=0, epochs=12, threads=2)),
        ({"trial": 0, "epochs": 12}, Due(trial=0, epochs=12)),
        ({}, None),
        (None, None),
        ({"trial": 0}, None),
        ({"trial": "x", "epochs": 12}, None),
        ({"trial": 0, "epochs": 12, "threads": []}, None),
        ([0, 12], None),
        ("trial", None),
        (7, None),
        ({"trial": float("inf"), "epochs": 12}, None),
        ({"trial": 0, "epochs": 0}, None),
    ],
)
def test_what_an_earlier_launch_stored(search: Driver, study: optuna.Study, stored: Any, due: Due | None) -> None:
    study.set_user_attr(FINALIST, stored)
    finalist(search).survey()
    assert finalist(search).due == due
    assert finalist(search).is_under_way == (due is not None)
    assert not finalist(search).ends_due()


@pytest.mark.parametrize(("epochs", "ends"), [(11, False), (12, True), (13, False)])
def test_only_a_result_of_as_many_epochs_ends_what_was_due(
    search: Driver, study: optuna.Study, epochs: int, ends: bool
) -> None:
    """A person may have confirmed the same network with others."""
    study.set_user_attr(FINALIST, {"trial": 0, "epochs": 12})
    add(study, confirmed(epochs))
    assert finalist(search).ends_due() == ends
    assert (study.trials[0].state == TrialState.COMPLETE) == ends
    assert (study.user_attrs[FINALIST] == {}) == ends
    if ends:
        assert study.trials[0].user_attrs[FINISHED] == {"epochs": 12, "threads": None}
    assert not finalist(search).ends_due()


def test_a_trial_that_has_ended_already_is_left_as_it_is(search: Driver, study: optuna.Study) -> None:
    (candidate,) = search.pool.of(State.PAUSED)
    search.pool.prune(candidate, "by hand")
    study.set_user_attr(FINALIST, {"trial": 0, "epochs": 12})
    add(study, confirmed(12))
    assert finalist(search).ends_due()
    assert study.trials[0].state == TrialState.PRUNED
    assert FINISHED not in study.trials[0].user_attrs


@pytest.mark.parametrize("number", [-1, 1, 99])
def test_a_trial_that_the_study_does_not_have_is_not_due(search: Driver, study: optuna.Study, number: int) -> None:
    study.set_user_attr(FINALIST, {"trial": number, "epochs": 12})
    add(study, confirmed(12, trial=number))
    assert not finalist(search).ends_due()
    assert study.trials[0].state == TrialState.RUNNING
    finalist(search).survey()
    assert not finalist(search).is_under_way


def test_tuned_options_of_the_trial_are_in_the_recipe(search: Driver, study: optuna.Study) -> None:
    asked: list[tuple[int, dict[str, Any]]] = []
    goal = finalist(search).goal
    finalist(search).goal = replace(goal, recipe=lambda epochs, params: asked.append((epochs, dict(params))))
    begin(search, epochs=9)
    assert asked == [(9, study.trials[0].params)]


def test_a_training_that_still_runs_has_no_outcome(search: Driver, engine: ScriptedEngine) -> None:
    engine.is_slow = True
    begin(search)
    assert finalist(search).outcome() is None
    (future,) = finalist(search).futures
    future.set_result(Confirmed(curve=(), test_accuracy=0.5))
    assert finalist(search).outcome() == Confirmed(curve=(), test_accuracy=0.5)
