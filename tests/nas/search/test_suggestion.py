"""A user's objective under Optuna's ``study.optimize``."""

from __future__ import annotations

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.architecture.spec import Architecture
from nas.results.board import leaderboard
from nas.search.suggestion import suggest
from nas.space.analytic import metrics
from nas.space.sampler import FeasibleSampler

optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_every_network_is_feasible_and_new_and_kept() -> None:
    seen: list[Architecture] = []

    def worth(trial: optuna.Trial) -> float:
        seen.append(suggest(trial))
        assert suggest(trial) == seen[-1]
        return -metrics(seen[-1]).params

    study = optuna.create_study(sampler=FeasibleSampler("tiny", ["params < 7k"]), direction="maximize")
    study.optimize(worth, n_trials=6)
    assert len(set(map(str, seen))) == 6
    assert all(metrics(network).params < 7_000 for network in seen)
    rows = sorted(leaderboard(study).rows, key=lambda row: row.trial)
    assert [row.architecture for row in rows] == [str(network) for network in seen]
    assert [row.params for row in rows] == [metrics(network).params for network in seen]


def test_another_sampler_has_no_space() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
    with pytest.raises(UnusableInputError, match=r"^no space to suggest from: the study's sampler is RandomSampler: "):
        suggest(study.ask())


def test_the_assignment_rules_where_no_constraint_is_given() -> None:
    sampler = FeasibleSampler("tiny")
    assert [c.metric for c in sampler.feasible.constraints][:2] == ["receptive_field", "params"]
    with pytest.raises(UnusableInputError, match=r"^unknown metric: 'parms'"):
        FeasibleSampler("tiny", ["parms < 3"])


@pytest.mark.parametrize("name", ["c1.layer1", "c1.depth"])
def test_a_parameter_of_one_s_own_under_a_name_of_the_space_s_is_refused(name: str) -> None:
    """``tiny`` chooses its layers, and has one depth: either would change the network that the trial means."""
    sampler = FeasibleSampler("tiny")
    assert name in sampler.feasible.space.parameters
    trial = optuna.create_study(sampler=sampler).ask()
    trial.suggest_float(name, 0, 1)
    trial.suggest_float("own", 0, 1)
    with pytest.raises(UnusableInputError, match=rf"^the name of a parameter of the space: '{name}': rename your own"):
        suggest(trial)


def test_other_parameters_of_one_s_own_change_nothing() -> None:
    networks = []
    for own in (False, True):
        trial = optuna.create_study(sampler=FeasibleSampler("tiny", seed=3)).ask()
        if own:
            trial.suggest_float("own", 0, 1)
        networks.append(suggest(trial))
    assert networks[0] == networks[1]
