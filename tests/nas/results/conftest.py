from __future__ import annotations

import random
from pathlib import Path

import optuna
import pytest
from optuna.trial import Trial

from constraints.rules import parse_all
from nas.search.budget import Budget
from nas.search.candidate import Candidate, State
from nas.search.driver import Driver
from nas.search.engine import Placement
from nas.search.local_engine import LocalEngine
from nas.space import space as spaces
from nas.space.analytic import metrics
from nas.space.feasible import FeasiblePart
from nas.space.sampler import FeasibleSampler
from nas.training import datasets
from nas.training.feed import Feed
from tests.nas.results.known import known_study


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return known_study(tmp_path / "journal.log")


@pytest.fixture
def driver(study: optuna.Study, tmp_path: Path) -> Driver:
    """A launch on the known study that trains its trial 4, which has one epoch of three."""
    space = spaces.load("tiny", input=(3, 32, 32), classes=10)
    sampler = FeasibleSampler(FeasiblePart(space, parse_all(("params < 200k",))), seed=0)
    made = Driver(
        study=study,
        sampler=sampler,
        engine=LocalEngine([Placement(device="cpu", threads=1)]),
        feed=Feed(dataset=datasets.load("digits", cache=tmp_path), split=None, folder=tmp_path),
        budget=Budget(trials=9, seconds=1e6, epochs=3, target=0.85, first_rung=2),
        folder=tmp_path,
    )
    architecture = space.decode(sampler.feasible.sample(random.Random(0)))
    candidate = Candidate(
        trial=Trial(study, study.trials[4]._trial_id),
        architecture=architecture,
        metrics=metrics(architecture),
        folder=tmp_path,
        curve=[{"epoch": 1, "val_accuracy": 0.25, "seconds": 10.0}],
    )
    made.pool.move(candidate, State.TRAINING)
    made.proposals.count = 6
    return made
