"""What a launch opens and holds, and the driver that it makes; no worker is started."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.config import LaunchConfig, read_config
from nas.search.budget import Budget
from nas.search.objectives import Objectives
from nas.search.workplace import Workplace
from nas.space import space as spaces
from nas.space.feasible import FeasiblePart
from nas.space.sampler import FeasibleSampler
from nas.training import recipes
from nas.training.feed import Feed


@pytest.fixture
def config(tmp_path: Path) -> LaunchConfig:
    storage = str(tmp_path / "runs" / "journal.log")
    return read_config(None, {"storage": storage, "study": "a", "device": "cpu", "workers": 1, "seed": 7})


def test_a_study_is_held_until_it_is_closed(config: LaunchConfig) -> None:
    other = config.model_copy(update={"study": "b"})
    with ExitStack() as held, ExitStack() as beside:
        place = Workplace.opened(config, held)
        place.check()
        Workplace.opened(other, beside).check()
        with ExitStack() as second, pytest.raises(UnusableInputError, match="'a'"):
            Workplace.opened(config, second)
    with ExitStack() as again:
        Workplace.opened(config, again).check()


def test_the_driver_is_that_of_the_place_and_trains_what_is_given(config: LaunchConfig, feed: Feed) -> None:
    space = spaces.load("tiny", input=(3, 32, 32), classes=10)
    sampler = FeasibleSampler(FeasiblePart(space, ()), seed=1)
    with ExitStack() as held:
        place = Workplace.opened(config, held)
        study = optuna.create_study(storage=place.storage, study_name="a", sampler=sampler)
        driver = place.driver(
            study,
            Path("folder"),
            print,
            sampler=sampler,
            feed=feed,
            budget=Budget(trials=3, seconds=1.0, epochs=2),
            recipe=recipes.usual(2),
            objectives=Objectives(),
        )

        assert (driver.study, driver.folder, driver.seed, driver.observe) == (study, Path("folder"), 7, print)
        assert (driver.engine, driver.hold, driver.goal) == (place.engine, place.check, None)
        assert driver.notes is place.notes
