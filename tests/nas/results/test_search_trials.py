from __future__ import annotations

import optuna
from optuna.trial import TrialState

from nas.results.search_trials import SearchTrials
from nas.space.attributes import BROKEN


def test_a_trial_is_looked_at_until_it_has_ended() -> None:
    study, seen = optuna.create_study(direction="maximize"), SearchTrials()
    first, second = study.ask(), study.ask()
    assert [t.number for t in seen.look(study.trials)] == [0, 1]
    study.tell(second, 0.5)
    third = study.ask()
    assert [t.number for t in seen.look(study.trials)] == [0, 1, 2]
    study.tell(first, state=TrialState.FAIL)
    study.tell(third, 0.25)
    assert [t.number for t in seen.look(study.trials)] == [0, 2]
    assert seen.look(study.trials) == []
    assert seen.finished == 3


def test_the_best_is_that_of_any_state_but_failed_and_the_complete_one_is_known_beside_it() -> None:
    study, seen = optuna.create_study(direction="maximize"), SearchTrials()
    complete, pruned, running, failed, broken = (study.ask() for _ in range(5))
    for trial, accuracies in ((complete, [0.5, 0.6]), (pruned, [0.7]), (failed, [0.9]), (broken, [0.95])):
        for epoch, accuracy in enumerate(accuracies, start=1):
            trial.report(accuracy, epoch)
    broken.set_user_attr(BROKEN, ["params < 200k"])
    study.tell(complete, 0.6)
    study.tell(pruned, state=TrialState.PRUNED)
    study.tell(failed, state=TrialState.FAIL)
    study.tell(broken, 0.95)
    seen.look(study.trials)
    assert seen.leader is not None
    assert seen.best is not None
    assert (seen.leader.number, seen.best.number) == (1, 0)
    running.report(0.8, 1)
    seen.look(study.trials)
    assert seen.leader.number == 2
    running.report(0.65, 2)
    seen.look(study.trials)
    assert seen.leader.number == 1, "what the running one was worth an epoch ago counts no more"
    assert seen.epochs == 2 + 1 + 1 + 1 + 2
    assert seen.history == [0.7, 0.8, 0.8], "the chart of the best so far never falls"
    seen.look(study.trials)
    assert len(seen.history) == 3, "no epoch was trained since"


def test_the_best_of_those_that_break_a_rule_is_known_beside_them() -> None:
    study, seen = optuna.create_study(direction="maximize"), SearchTrials()
    ended, running = study.ask(), study.ask()
    for trial, accuracy in ((ended, 0.5), (running, 0.6)):
        trial.set_user_attr(BROKEN, ["params < 200k"])
        trial.report(accuracy, 1)
    study.tell(ended, 0.5)
    seen.look(study.trials)
    assert (seen.leader, seen.best) == (None, None)
    assert seen.breaking is not None
    assert seen.breaking.number == 1
    running.report(0.4, 2)
    seen.look(study.trials)
    assert seen.breaking.number == 0, "what the running one was worth an epoch ago counts no more"
