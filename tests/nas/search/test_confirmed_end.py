"""When a launch confirms: during the search, after it, or not at all."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.config import LaunchConfig, read_config
from nas.search.budget import LaunchSummary
from nas.search.confirmation import Confirmation
from nas.search.confirmed_end import ends_confirmed, goal, is_any_complete, is_reached, to_confirm
from nas.search.finalist import Due
from nas.search.holding import hold
from nas.search.stored import run_folder
from nas.search.study import WON
from nas.search.training_way import Training
from nas.space.attributes import BROKEN
from nas.training.feed import Feed
from tests.nas.search.scripted import ScriptedEngine, driver_of

ENDED = LaunchSummary(ended="", unfinished=0, best=None, reached=False)


def config(tmp_path: Path, **flags: Any) -> LaunchConfig:
    place = str(tmp_path / "journal.log")
    return read_config(None, {"data": "digits", "storage": place, "device": "cpu", "target": 0.5, **flags})


def confirmed(trial: int, *accuracies: float) -> Confirmation:
    seeds = tuple(range(len(accuracies)))
    return Confirmation(trial=trial, architecture="", epochs=8, seeds=seeds, accuracies=accuracies, seconds=1.0)


@pytest.mark.parametrize(
    ("flags", "is_so"),
    [
        ({}, False),
        ({"confirm": 1}, False),
        ({"stop_at_target": True}, False),
        ({"stop_at_target": True, "confirm": 1}, True),
    ],
)
def test_a_search_confirms_itself_where_it_is_to_stop_and_to_confirm(
    tmp_path: Path, whole: Feed, flags: dict[str, Any], is_so: bool
) -> None:
    asked = config(tmp_path, **flags)
    assert ends_confirmed(asked) == is_so
    with ExitStack() as held:
        assert (goal(asked, whole, Training.default(20), tmp_path, held) is not None) == is_so


def test_its_goal_has_the_recipe_of_each_length_with_the_trials_options(tmp_path: Path, whole: Feed) -> None:
    way = replace(Training.default(20), augmentation=Training.default(20).augmentation)
    with ExitStack() as held:
        found = goal(config(tmp_path, stop_at_target=True, confirm=2), whole, way, tmp_path, held)
        assert found is not None
        assert (found.count, found.feed) == (2, whole)
        for epochs in (8, 30):
            assert found.recipe(epochs, {}) == way.for_epochs(epochs)
        tuned = found.recipe(8, {"recipe.label_smoothing": 0.25, "c1.width": 32})
        assert tuned == replace(way.for_epochs(8), label_smoothing=0.25)


@pytest.mark.parametrize("is_same_folder", [True, False])
def test_no_other_process_confirms_meanwhile(tmp_path: Path, whole: Feed, is_same_folder: bool) -> None:
    asked = config(tmp_path, stop_at_target=True, confirm=1)
    folder = run_folder(asked.storage, asked.study) if is_same_folder else tmp_path / "elsewhere"
    with ExitStack() as held:
        goal(asked, whole, Training.default(20), folder, held)
        with (
            pytest.raises(UnusableInputError, match="is held by another process"),
            hold(asked.storage, asked.study, "confirm"),
        ):
            pass
        if not is_same_folder:
            assert list(folder.glob("*.lock"))
    with hold(asked.storage, asked.study, "confirm"):
        pass


def test_how_many_are_confirmed_after_the_search(study: optuna.Study, whole: Feed, tmp_path: Path) -> None:
    asked = config(tmp_path, confirm=3)
    plain = driver_of(study, ScriptedEngine(first=[0.5], tests=[]), whole, tmp_path, count=0)
    assert to_confirm(asked, plain) == 3
    driver = driver_of(study, ScriptedEngine(first=[0.5], tests=[]), whole, tmp_path)
    assert driver.finish is not None
    assert to_confirm(asked, driver) == 3, "it ended before any"
    driver.finish.failed.add(0)
    assert to_confirm(asked, driver) == 0
    driver.finish.failed.clear()
    driver.finish.finalist.due = Due(trial=0, epochs=8)
    assert to_confirm(asked, driver) == 0
    driver.finish.finalist.due = None
    driver.finish.known = {0: confirmed(0, 0.4)}
    assert to_confirm(asked, driver) == 0


def test_whether_a_trial_may_be_confirmed(study: optuna.Study, whole: Feed, tmp_path: Path) -> None:
    driver = driver_of(study, ScriptedEngine(first=[0.5], tests=[]), whole, tmp_path, count=0)
    assert not is_any_complete(driver)
    study.add_trial(optuna.trial.create_trial(value=0.9, user_attrs={BROKEN: "params < 1"}))
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))
    assert not is_any_complete(driver)
    study.add_trial(optuna.trial.create_trial(value=0.1))
    assert is_any_complete(driver)


@pytest.mark.parametrize(
    ("accuracies", "won"),
    [((0.8499,), []), ((0.85,), []), ((0.8501,), [2]), ((0.83, 0.88), [2]), ((0.8, 0.9), [])],
)
def test_the_target_is_met_by_more_than_it(
    study: optuna.Study, whole: Feed, tmp_path: Path, accuracies: tuple[float, ...], won: list[int]
) -> None:
    driver = driver_of(study, ScriptedEngine(first=[0.5], tests=[]), whole, tmp_path)
    both = [confirmed(1, 0.2), confirmed(2, *accuracies)]
    assert is_reached(driver, ENDED, both) == bool(won)
    assert study.user_attrs.get(WON, []) == won


def test_what_the_search_says_itself_is_not_said_again(study: optuna.Study, whole: Feed, tmp_path: Path) -> None:
    plain = driver_of(study, ScriptedEngine(first=[0.5], tests=[]), whole, tmp_path, count=0)
    assert not is_reached(plain, ENDED, [confirmed(0, 0.99)]), "of a search by validation accuracies"
    driver = driver_of(study, ScriptedEngine(first=[0.5], tests=[]), whole, tmp_path)
    assert is_reached(driver, replace(ENDED, reached=True), [])
    assert not is_reached(driver, ENDED, [])
    assert WON not in study.user_attrs
