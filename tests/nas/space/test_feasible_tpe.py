from __future__ import annotations

import optuna
import pytest
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.optuna_private import storage_of
from nas.space import feasible_tpe
from nas.space.attributes import ORIGIN
from nas.space.feasible_tpe import Values, tpe

SPACE: dict[str, BaseDistribution] = {"width": IntDistribution(1, 64)}
DIRECTIONS = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
STARTUP = 10
"""Trials that Optuna's TPE wants to have seen before it learns."""


def study_of(count: int, *, directions: int = 1, ended: TrialState | None = None) -> Study:
    """Trials of two epochs, the wider the better, that run or have ended."""
    study = optuna.create_study(directions=DIRECTIONS[:directions])
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


def test_networks_that_a_person_gave_change_nothing_that_is_proposed() -> None:
    study = study_of(STARTUP, ended=TrialState.PRUNED)
    beside = study_of(0)
    for trial in study.trials:
        beside.add_trial(trial)
    given = beside.ask()
    given.set_user_attr(ORIGIN, "net.py:Net")
    beside.tell(given, 1.0)
    assert [t.number for t in feasible_tpe.so_far(beside, None)._get_trials()] == list(range(STARTUP))
    assert proposed(beside) == proposed(study)
