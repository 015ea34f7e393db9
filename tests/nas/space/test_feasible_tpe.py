from __future__ import annotations

import optuna
import pytest
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.optuna_private import storage_of
from nas.space import feasible_tpe
from nas.space.attributes import FINISHED, ORIGIN, SEED
from nas.space.feasible_tpe import Values, tpe

SPACE: dict[str, BaseDistribution] = {"width": IntDistribution(1, 64)}
DIRECTIONS = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
STARTUP = 10
"""Trials that Optuna's TPE wants to have seen before it learns."""


def study_of(count: int, *, directions: int = 1, ended: TrialState | None = None) -> Study:
    """Trials of two epochs, the wider the better, that run or have ended."""
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=DIRECTIONS[:directions], sampler=sampler)
    for number in range(count):
        trial = study.ask(SPACE)
        storage_of(study).set_trial_intermediate_value(trial._trial_id, 2, trial.params["width"] / 64)
        trial.set_user_attr("params", number)
        if ended is not None:
            study.tell(trial, state=ended)
    return study


def so_far(trial: FrozenTrial) -> tuple[float, float]:
    return trial.intermediate_values[2], float(trial.user_attrs["params"])


def proposed(study: Study, values: Values | None = None) -> dict[str, int]:
    sampler = tpe(0)
    sampler.values = values
    return sampler.sample_relative(study, storage_of(study).get_trial(study.ask()._trial_id), SPACE)


@pytest.mark.parametrize("ended", [None, TrialState.PRUNED])
@pytest.mark.parametrize(("count", "learns"), [(STARTUP - 1, False), (STARTUP, True)])
def test_it_learns_from_those_that_wait_as_from_those_that_lost(
    count: int, learns: bool, ended: TrialState | None
) -> None:
    assert bool(proposed(study_of(count, ended=ended))) is learns


def test_good_ones_that_wait_are_not_bad() -> None:
    study = study_of(40)
    widths = [proposed(study)["width"] for _ in range(5)]
    assert min(widths) > 32, "it proposes near the good ones, which are the wide ones"


@pytest.mark.parametrize("ended", [None, TrialState.PRUNED])
@pytest.mark.parametrize(("values", "learns"), [(None, False), (so_far, True)])
def test_of_several_objectives_it_learns_by_what_trials_are_worth_so_far(
    values: Values | None, learns: bool, ended: TrialState | None
) -> None:
    study = study_of(STARTUP, directions=2, ended=ended)
    assert bool(proposed(study, values)) is learns
    sampler = tpe(0)
    sampler.values = values
    trial = storage_of(study).get_trial(study.ask()._trial_id)
    assert 1 <= sampler.sample_independent(study, trial, "width", SPACE["width"]) <= 64


def test_a_trial_that_has_no_epoch_yet_runs_and_a_complete_one_is_as_it_is() -> None:
    study = study_of(1)
    study.ask(SPACE)
    study.tell(study.ask(SPACE), 0.5)
    shown = feasible_tpe.so_far(study, None)._get_trials(deepcopy=False)
    assert [trial.state for trial in shown] == [TrialState.PRUNED, TrialState.RUNNING, TrialState.COMPLETE]
    assert study.trials[0].state == TrialState.RUNNING, "the study itself is as it was"


def test_a_trial_that_its_confirmation_completed_counts_by_the_epochs_that_the_search_trained() -> None:
    one, several = optuna.create_study(direction="maximize"), optuna.create_study(directions=DIRECTIONS)
    finished = {FINISHED: {"epochs": 12, "threads": 1}}
    for study, cost in ((one, []), (several, [1.0])):
        study.add_trial(create_trial(values=[0.8, *cost], intermediate_values={2: 0.5, 8: 0.8}))
        study.add_trial(create_trial(values=[0.55, *cost], intermediate_values={2: 0.55}, user_attrs=finished))
    shown = feasible_tpe.so_far(one, None)._get_trials(deepcopy=False)
    assert [trial.state for trial in shown] == [TrialState.COMPLETE, TrialState.PRUNED]
    shown = feasible_tpe.so_far(several, lambda t: (max(t.intermediate_values.values()), 1.0))._get_trials()
    assert [trial.values for trial in shown] == [[0.8, 1.0], [pytest.approx(0.55 + 0.3), 1.0]]


def test_networks_that_a_person_gave_change_nothing_that_is_proposed() -> None:
    study = study_of(STARTUP, ended=TrialState.PRUNED)
    beside = study_of(0)
    for trial in study.trials:
        beside.add_trial(trial)
    given = beside.ask()
    given.set_user_attr(SEED, 0)
    beside.tell(given, 1.0)
    assert [t.number for t in feasible_tpe.so_far(beside, None)._get_trials()] == list(range(STARTUP))
    assert proposed(beside) == proposed(study)


def test_what_a_search_began_with_is_learnt_from() -> None:
    study = study_of(1)
    started = study.ask()
    started.set_user_attr(ORIGIN, "seed")
    study.tell(started, 1.0)
    assert [t.number for t in feasible_tpe.so_far(study, None)._get_trials()] == [0, 1]


def test_of_several_objectives_a_paused_trial_counts_by_what_others_gained_from_there_on() -> None:
    """Accuracies after 2, 4 and 8 epochs; 0.5 -> 0.8 and 0.4 -> 0.6 gain 0.25 in the median, 0.6 -> 0.8 and 0.5 ->
    0.6 gain 0.15."""
    study = optuna.create_study(directions=DIRECTIONS)
    curves: tuple[dict[int, float], ...] = (
        {2: 0.5, 4: 0.6, 8: 0.8},
        {2: 0.4, 4: 0.5, 8: 0.6},
        {2: 0.55},
        {2: 0.3, 4: 0.45},
        {},
    )
    for curve in curves:
        trial = study.ask(SPACE)
        for step, accuracy in curve.items():
            storage_of(study).set_trial_intermediate_value(trial._trial_id, step, accuracy)
        trial.set_user_attr("params", trial.number)
    study.tell(0, (0.8, 0.0))

    def last(trial: FrozenTrial) -> tuple[float, float]:
        return trial.intermediate_values[max(trial.intermediate_values)], float(trial.user_attrs["params"])

    shown = feasible_tpe.so_far(study, last)._get_trials(deepcopy=False)
    accuracies = [trial.values and trial.values[0] for trial in shown]
    assert accuracies == [0.8, 0.6, pytest.approx(0.55 + 0.25), pytest.approx(0.45 + 0.15), None]
    assert [trial.intermediate_values for trial in study.trials] == list(curves), "the study itself is as it was"


def test_a_paused_trial_of_two_epochs_is_no_worse_than_a_complete_one_that_was_worse_after_two() -> None:
    """All trials cost the same: wide ones are better at every epoch, and only narrow ones were trained to the end."""
    study = optuna.create_study(directions=DIRECTIONS)
    for width in range(1, 41):
        trial = study.ask({"width": IntDistribution(width, width)})
        storage_of(study).set_trial_intermediate_value(trial._trial_id, 2, width / 100)
        trial.set_user_attr("params", 1)
        if width <= 20:
            storage_of(study).set_trial_intermediate_value(trial._trial_id, 20, width / 100 + 0.5)
            study.tell(trial, (width / 100 + 0.5, 1.0))

    def last(trial: FrozenTrial) -> tuple[float, float]:
        return trial.intermediate_values[max(trial.intermediate_values)], 1.0

    widths = [proposed(study, last)["width"] for _ in range(5)]
    assert min(widths) > 20
