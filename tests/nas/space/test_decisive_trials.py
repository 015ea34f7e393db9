from __future__ import annotations

import random
from pathlib import Path

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

import nas
from nas.optuna_private import OpenTPE, with_trials_as
from nas.search.storage import open_storage
from nas.space import decisive_trials
from nas.space.decisive_trials import MOST_GOOD, MOST_LEARNT, DecisiveTrials

SPACE: dict[str, BaseDistribution] = {"width": IntDistribution(1, 64), "rate": FloatDistribution(0.0, 1.0)}


def trial(random_: random.Random) -> FrozenTrial:
    """Of any state (and one in ten failed), with values that are often equal, and now and then broken constraints."""
    state = random_.choice([TrialState.COMPLETE, TrialState.PRUNED, TrialState.PRUNED, TrialState.RUNNING])
    if random_.random() < 0.1:
        return create_trial(state=random_.choice([TrialState.FAIL, TrialState.WAITING]))
    steps = {step: random_.choice([0.1, 0.5, random_.random(), float("nan")]) for step in range(random_.randint(0, 3))}
    made = create_trial(
        state=state,
        value=random_.choice([0.5, random_.random()]) if state == TrialState.COMPLETE else None,
        params={"width": random_.randint(1, 64), "rate": random_.random()},
        distributions=SPACE,
        intermediate_values=steps,
    )
    if random_.random() < 0.2:
        made.set_constraint("params", random_.choice([-1.0, 1.0, 2.0]))
    return made


def study_of(count: int, direction: str) -> Study:
    study = optuna.create_study(direction=StudyDirection[direction.upper()])
    random_ = random.Random(count)
    study.add_trials([trial(random_) for _ in range(count)])
    return study


class Recent(OpenTPE):
    """Learns from as many as this tool's, and keeps from which."""

    def learnt_from(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        self.learnt = [*getattr(self, "learnt", []), [one.number for one in trials[-MOST_LEARNT:]]]
        return trials[-MOST_LEARNT:]


def models(study: Study) -> list[list[int]]:
    """The numbers of the trials in TPE's two models of a study."""
    sampler = Recent(seed=0, multivariate=True, constant_liar=True)
    asked = study.ask()
    sampler.sample_relative(study, study.trials[asked.number], SPACE)
    learnt: list[list[int]] = sampler.learnt
    return learnt


def shown(study: Study) -> Study:
    """A study of which TPE sees the decisive trials, counted as what they are."""
    chosen = DecisiveTrials()

    def seen(trials: list[FrozenTrial]) -> list[FrozenTrial]:
        numbers = {one.number for one in chosen.of(trials, study.direction)}
        return [one for one in trials if one.number in numbers]

    return with_trials_as(study, seen)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("count", [30, 400, 3_000])
def test_tpe_learns_from_the_same_trials_as_from_all(count: int, direction: str) -> None:
    whole, part = models(study_of(count, direction)), models(shown(study_of(count, direction)))
    assert part == whole
    assert count < 3_000 or [len(numbers) for numbers in whole] == [MOST_GOOD, MOST_LEARNT]


def test_a_large_study_is_cut_to_what_decides() -> None:
    study = study_of(3_000, "maximize")
    assert len(DecisiveTrials().of(study.trials, study.direction)) == MOST_GOOD + MOST_LEARNT + 1


def test_where_too_few_have_ended_all_are_kept() -> None:
    """Of 2,000 trials 240 ended: TPE takes a tenth, 24, for good."""
    study = optuna.create_study()
    study.add_trials([create_trial(value=float(number)) for number in range(240)])
    study.add_trials([create_trial(state=TrialState.RUNNING) for _ in range(1_760)])
    assert len(DecisiveTrials().of(study.trials, study.direction)) == 2_000


def test_a_trial_that_ends_or_runs_on_is_counted_anew_and_one_of_another_study_too() -> None:
    study, chosen = optuna.create_study(), DecisiveTrials()
    trial = study.ask()

    def states(one: Study) -> list[tuple[TrialState, float, float | None]]:
        seen = chosen.of(one.get_trials(deepcopy=False), one.direction)
        return [(trial.state, max(trial.intermediate_values.values(), default=0.0), trial.value) for trial in seen]

    assert states(study) == [(TrialState.RUNNING, 0.0, None)]
    trial.report(0.5, 1)
    assert states(study) == [(TrialState.PRUNED, 0.5, None)]
    trial.report(0.75, 2)
    assert states(study) == [(TrialState.PRUNED, 0.75, None)]
    study.tell(trial, 0.125)
    assert states(study) == states(study) == [(TrialState.COMPLETE, 0.75, 0.125)]
    other = optuna.create_study()
    other.tell(other.ask(), 3.0)
    assert states(other) == [(TrialState.COMPLETE, 0.0, 3.0)]


@pytest.mark.parametrize("storage", ["memory", "journal", "sqlite"])
def test_only_trials_that_changed_are_looked_at_again(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: dict[str, BaseStorage | str] = {
        "journal": open_storage(str(tmp_path / "journal.log"), write=True),
        "sqlite": f"sqlite:///{tmp_path}/s.db",
    }
    study, chosen = optuna.create_study(storage=places.get(storage)), DecisiveTrials()
    for number in range(40):
        study.tell(study.ask(), float(number))
    running = study.ask()
    looked: list[int] = []
    order = decisive_trials._order

    def counted(trial: FrozenTrial, direction: StudyDirection) -> tuple[float, ...]:
        looked.append(trial.number)
        return order(trial, direction)

    monkeypatch.setattr(decisive_trials, "_order", counted)
    chosen.of(study._get_trials(deepcopy=False), study.direction)
    assert sorted(looked) == list(range(40))
    running.report(0.5, 1)
    chosen.of(study._get_trials(deepcopy=False), study.direction)
    assert sorted(looked) == list(range(41))


def test_optunas_own_limit_of_good_trials_is_the_one_here() -> None:
    from optuna.samplers._tpe.sampler import default_gamma

    assert default_gamma(10 * MOST_GOOD) == default_gamma(10**6) == MOST_GOOD


def test_a_proposal_looks_only_at_trials_that_changed_since_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study(sampler=nas.FeasibleSampler("tiny"))
    looked: list[int] = []
    order = decisive_trials._order

    def counted(trial: FrozenTrial, direction: StudyDirection) -> tuple[float, ...]:
        looked.append(trial.number)
        return order(trial, direction)

    monkeypatch.setattr(decisive_trials, "_order", counted)
    for _ in range(40):
        trial = study.ask()
        nas.suggest(trial)
        study.tell(trial, float(trial.number))
    assert looked == list(range(39)), "each trial but the last one once, when the next one is proposed"
