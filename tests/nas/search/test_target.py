from __future__ import annotations

import math

import optuna
import pytest
from optuna.trial import create_trial

from nas.search.budget import Budget
from nas.search.confirmation import Confirmation, add
from nas.search.objectives import Objectives
from nas.search.study import VALIDATION_IMAGES, WON
from nas.search.target import SearchTarget
from nas.search.trial_store import TrialStore
from nas.space.attributes import ARCHITECTURE


def complete(study: optuna.Study, accuracy: float) -> None:
    attributes = {ARCHITECTURE: f"network-{len(study.trials)}"}
    study.add_trial(create_trial(value=accuracy, intermediate_values={1: accuracy}, user_attrs=attributes))


def target_of(study: optuna.Study, target: float | None, *, stop: bool = True) -> SearchTarget:
    budget = Budget(trials=9, seconds=1.0, epochs=1, target=target, stop_at_target=stop)
    made = SearchTarget(budget=budget, store=TrialStore(study), objectives=Objectives(), notes=[])
    made.survey(study.trials)
    return made


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(direction="maximize")


def test_a_target_is_met_by_more_than_it(study: optuna.Study) -> None:
    complete(study, 0.5)
    assert not target_of(study, 0.5).is_reached
    complete(study, math.nextafter(0.5, 1))
    assert target_of(study, 0.5).is_reached
    assert target_of(study, 0.5).met() == "the target is met"


def test_without_a_target_or_without_stopping_a_search_continues(study: optuna.Study) -> None:
    complete(study, 0.9)
    assert not target_of(study, None).is_reached
    asked = target_of(study, 0.5, stop=False)
    assert asked.is_reached
    assert asked.met() is None


def test_the_luckiest_of_equals_is_judged_once_until_another_is_complete(study: optuna.Study) -> None:
    """64 images measure a share of 90 % to 3.75 points: the best of thirty alike says nothing of 89 %."""
    study.set_user_attr(VALIDATION_IMAGES, 64)
    for accuracy in (0.9, *(0.875, 0.85, 0.86, 0.84, 0.88) * 6):
        complete(study, accuracy)
    made = target_of(study, 0.89)
    assert [made.met(), made.met()] == [None, None]
    (note,) = made.notes
    assert note.startswith("trial 0, the best of 31 by 64 validation images, on new images: ")
    assert note.endswith(": the search continues")
    complete(study, 1.0)
    made.completed(1.0)
    assert made.best == 1.0
    assert made.met() is None
    assert len(made.notes) == 2


def test_a_network_confirmed_over_the_target_meets_it(study: optuna.Study) -> None:
    complete(study, 0.4)
    found = Confirmation(trial=0, architecture="network-0", epochs=9, seeds=(0,), accuracies=(0.6,), seconds=1.0)
    add(study, found)
    assert not target_of(study, 0.5).is_reached, "a person's own confirmation ends no search"
    study.set_user_attr(WON, [0])
    assert target_of(study, 0.5).met() == "the target is met"
    assert not target_of(study, 0.6).is_reached
