from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nas.architecture.spec import parse
from nas.search.budget import Budget
from nas.search.driver import Driver
from nas.search.given_proposals import NetworkToTrain, key_of, networks
from nas.search.pool import Pool
from nas.search.trial_store import best_accuracy, counts, proposed
from nas.space.analytic import metrics
from nas.space.attributes import ARCHITECTURE, BROKEN, ORIGIN, SEED
from nas.space.sampler import FeasibleSampler
from nas.training.feed import Feed
from tests.engines import HereEngine

TEXT = "BR/c8-c8s2/c8/fc"


def network(broken: tuple[str, ...] = ()) -> NetworkToTrain:
    architecture = parse(TEXT)
    return NetworkToTrain(
        origin="text", architecture=architecture, given=None, metrics=metrics(architecture), broken=broken
    )


def driver(study: optuna.Study, engine: HereEngine, feed: Feed, folder: Path, **fields: Any) -> Driver:
    budget = Budget(trials=len(study.trials) + 2, seconds=float("inf"), epochs=4, target=0.001)
    sampler = FeasibleSampler("tiny", ["params < 100k"])
    return Driver(study=study, sampler=sampler, engine=engine, feed=feed, budget=budget, folder=folder, **fields)


@pytest.fixture
def trained(engine: HereEngine, feed: Feed, tmp_path: Path) -> optuna.Study:
    """Two trainings of a network that breaks a rule."""
    study = optuna.create_study(direction="maximize")
    driver(study, engine, feed, tmp_path, network=network(("params < 1",)), seeds=(3, 4)).run()
    return study


def test_every_seed_is_trained_past_all_rungs(trained: optuna.Study) -> None:
    assert [trial.state for trial in trained.trials] == [TrialState.COMPLETE] * 2
    assert [trial.user_attrs[SEED] for trial in trained.trials] == [3, 4]
    assert [sorted(trial.intermediate_values) for trial in trained.trials] == [[1, 2, 3, 4]] * 2
    first, second = trained.trials
    assert (
        first.intermediate_values != second.intermediate_values
        or first.user_attrs["curve"] != second.user_attrs["curve"]
    )
    assert (first.params, first.user_attrs[ARCHITECTURE], first.user_attrs[ORIGIN]) == ({}, TEXT, "text")
    assert {key_of(trial.user_attrs) for trial in trained.trials} == {TEXT}


def test_a_network_that_breaks_a_rule_meets_no_target_and_counts_for_no_budget(trained: optuna.Study) -> None:
    assert trained.trials[0].user_attrs[BROKEN] == ["params < 1"]
    assert not any(map(counts, trained.trials))
    assert (best_accuracy(trained.trials), proposed(trained.trials)) == (None, 0)


def test_a_search_leaves_an_unfinished_training_alone(engine: HereEngine, feed: Feed, tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    giving = driver(study, engine, feed, tmp_path, network=network(), seeds=(0,))
    begun = giving.proposals.new(giving.sampler)
    assert begun is not None
    searching = driver(study, engine, feed, tmp_path)
    assert not list(searching.proposals.survey(study.trials, (), [2, 4]))
    assert not searching.proposals.leftover
    again = driver(study, engine, feed, tmp_path, network=network())
    again.run()
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE], "the same trial is finished"


def test_given_networks_take_no_part_in_halving(
    trained: optuna.Study, engine: HereEngine, feed: Feed, tmp_path: Path
) -> None:
    pool: Pool = driver(trained, engine, feed, tmp_path).pool
    pool.take_up(trained.trials)
    assert not any(pool.halving._reached.values())


def test_what_is_confirmed_knows_its_network(trained: optuna.Study, tmp_path: Path) -> None:
    (found,) = networks(trained, [1], tmp_path)
    assert (found.trial, found.network, found.key, found.given) == (1, TEXT, TEXT, None)
