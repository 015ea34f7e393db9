from __future__ import annotations

import io
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import Trial, TrialState
from rich.console import Console

from constraints.rules import parse_all
from nas.results import progress
from nas.results.progress import SearchView, pace_line
from nas.search.budget import Budget
from nas.search.candidate import Candidate, State
from nas.search.driver import Driver
from nas.search.engine import LocalEngine, Placement
from nas.search.pace import Pace
from nas.search.study import REASON
from nas.space import space as spaces
from nas.space.analytic import metrics
from nas.space.feasible import FeasiblePart
from nas.space.sampler import FeasibleSampler
from nas.training import datasets
from nas.training.feed import Feed


@pytest.fixture
def driver(study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """A launch on the known study that trains its trial 4, which has one epoch of three."""
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.0)
    space = spaces.load("tiny", input=(3, 32, 32), classes=10)
    sampler = FeasibleSampler(FeasiblePart(space, parse_all(("params < 200k",))), seed=0)
    made = Driver(
        study=study,
        sampler=sampler,
        engine=LocalEngine([Placement(device="cpu", threads=1)]),
        feed=Feed(dataset=datasets.load("digits", cache=tmp_path), split=None, folder=tmp_path),
        budget=Budget(trials=9, seconds=1e6, epochs=3, target=0.85),
        folder=tmp_path,
    )
    made.earlier = [t for t in study.trials if t.state.is_finished()]
    architecture = space.decode(sampler.feasible.sample(random.Random(0)))
    candidate = Candidate(
        trial=Trial(study, study.trials[4]._trial_id),
        architecture=architecture,
        metrics=metrics(architecture),
        folder=tmp_path,
        curve=[{"epoch": 1, "val_accuracy": 0.25, "seconds": 10.0}],
    )
    made.pool.move(candidate, State.TRAINING)
    return made


def terminal(*, height: int = 24) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=True, width=80, height=height, color_system=None), file


def test_elsewhere_than_on_a_terminal_each_epoch_and_each_end_is_a_line(driver: Driver) -> None:
    file, trial = io.StringIO(), driver.running[0].trial
    with SearchView(Console(file=file)) as shown:
        shown.show(driver)
        assert file.getvalue() == "", "what ended before this launch is not said again"
        trial.report(0.25, 1)
        shown.show(driver)
        shown.show(driver)
        trial.report(0.5, 2)
        trial.set_user_attr(REASON, "below the better half at epoch 2")
        driver.study.tell(trial.number, state=TrialState.PRUNED)
    assert file.getvalue().splitlines() == [
        "trial 4: 25.00% after 1 of 3 epochs",
        "trial 4: 50.00% after 2 of 3 epochs, pruned (below the better half at epoch 2)",
    ]


def test_a_note_is_said_once(driver: Driver) -> None:
    file = io.StringIO()
    with SearchView(Console(file=file)) as shown:
        driver.notes.append("trial 0 is trained anew")
        shown.show(driver)
        shown.show(driver)
    assert file.getvalue().splitlines() == ["note: trial 0 is trained anew"]


PACE = Pace(epoch_seconds=41.2, seconds=3540.0, workers=2, budget=20)
"""2 x 3540 / 41.2 = 171.8 epochs; 171 / 20 = 8.6, and by halving 171 / 6 = 28.5."""
SENTENCE = (
    "an epoch takes about 41s here with 2 workers (AVX2): the 59m00s left allow about 171 epochs: "
    "8 candidates of the full 20, or about 28 by halving"
)


def test_how_long_an_epoch_takes_is_said_once_as_soon_as_it_is_known(driver: Driver) -> None:
    file = io.StringIO()
    driver.machine = "AVX2"
    with SearchView(Console(file=file)) as shown:
        shown.show(driver)
        assert file.getvalue() == ""
        driver.pace = PACE
        shown.show(driver)
        shown.show(driver)
    assert file.getvalue().splitlines() == [SENTENCE]


def test_how_long_an_epoch_takes_is_said_above_the_live_view_too(driver: Driver) -> None:
    console, file = terminal()
    driver.machine, driver.pace = "AVX2", PACE
    with SearchView(console) as shown:
        shown.show(driver)
        shown.show(driver)
    assert "".join(file.getvalue().split()).count("".join(SENTENCE.split())) == 1


def test_what_was_known_last_is_said_at_the_end(driver: Driver) -> None:
    """A short search ends before the view is brought up to date."""
    file = io.StringIO()
    driver.machine = "AVX2"
    with SearchView(Console(file=file)) as shown:
        shown.show(driver)
        driver.pace = PACE
    assert file.getvalue().splitlines() == [SENTENCE]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"epoch_seconds": 0.317}, "an epoch takes about 0.32s here with 2 workers"),
        ({"epoch_seconds": 9.4, "workers": 1}, "an epoch takes about 9.4s here with 1 worker (AVX2): the 59m00s"),
        (
            {"epoch_seconds": 300.0},
            "about 5m00s here with 2 workers (AVX2): the 59m00s left allow about 23 epochs, and one candidate "
            "trains 20: there is time for 11 epochs of it: give --timeout 110m or longer",
        ),
        (
            {"epoch_seconds": 3600.0},
            "the 59m00s left allow about 1 epoch, and one candidate trains 20: there is time for no whole epoch: "
            "give --timeout 22h or longer, or fewer --epochs in a study of their own",
        ),
        ({"seconds": math.inf}, "an epoch takes about 41s here with 2 workers (AVX2)"),
    ],
)
def test_the_pace_in_words(changed: dict[str, Any], said: str) -> None:
    assert said in pace_line(replace(PACE, **changed), "AVX2")


def test_a_terminal_shows_best_running_and_rejected_within_its_width(driver: Driver) -> None:
    console, file = terminal()
    with SearchView(console) as shown:
        shown.show(driver)
        lines = [line.rstrip() for line in file.getvalue().replace("\r", "\n").splitlines()]
    text = "\n".join(lines)
    assert "known   6 of 9 trials" in text, "the five that ended and the one that was no network"
    assert "target over 85.00%" in text
    assert "best      86.00%, trial 1, 150,000 params" in text
    (row,) = (line for line in lines if " 1/3 " in line)
    assert row.split()[:2] == ["4", "1/3"]
    assert f"{driver.running[0].metrics.params:,}" in row.split()
    assert "25.00" in row.split()


def test_a_trial_is_looked_at_until_it_has_ended() -> None:
    study, seen = optuna.create_study(direction="maximize"), progress._Trials()
    first, second = study.ask(), study.ask()
    assert [t.number for t in seen.look(study.trials)] == [0, 1]
    study.tell(second, 0.5)
    third = study.ask()
    assert [t.number for t in seen.look(study.trials)] == [0, 1, 2]
    study.tell(first, state=TrialState.FAIL)
    study.tell(third, 0.25)
    assert [t.number for t in seen.look(study.trials)] == [0, 2]
    assert seen.look(study.trials) == []
    assert seen.ended == 3
    assert seen.best is not None
    assert seen.best.number == 1


def test_more_trials_than_lines_are_counted(driver: Driver) -> None:
    for _ in range(11):
        driver.pool.move(replace(driver.running[0], trial=driver.study.ask()), State.TRAINING)
    console, file = terminal(height=15)
    console.print(progress._screen(driver, progress._Trials(), console.height))
    lines = file.getvalue().splitlines()
    assert len(lines) <= 15
    assert sum(" 1/3 " in line for line in lines) == 6
    assert "and 6 more" in [line.strip() for line in lines]
