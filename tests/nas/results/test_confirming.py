from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nas.results.confirming import Confirming, confirming
from nas.results.live_screen import speed_text
from nas.results.search_trials import SearchTrials
from nas.search.driver import Driver
from nas.search.finish import Finish
from nas.search.pace import STEPS, StepTimes
from nas.search.worker import PROGRESS


def trained(folder: Path, *seconds: float) -> None:
    epochs = [{"epoch": i, "val_accuracy": None, "seconds": s} for i, s in enumerate(seconds, 1)]
    (folder / PROGRESS).write_text(json.dumps(epochs))


def batches(folder: Path, done: int, total: int, seconds: float) -> None:
    """``done`` batches in ``seconds``, of which the first took as long as each other one."""
    steps = StepTimes(done=done, total=total, before=seconds / done, since=seconds - seconds / done)
    (folder / STEPS).write_text(json.dumps(asdict(steps)))


@pytest.fixture
def launch(driver: Driver, tmp_path: Path) -> Driver:
    """A launch that confirms its trial 5 by ten epochs."""
    folder = tmp_path / "confirmation"
    folder.mkdir()
    job = SimpleNamespace(trial=5, task=SimpleNamespace(folder=folder, epochs=10))
    driver.finish = cast("Finish", SimpleNamespace(job=job, futures=[]))
    return driver


def seen(launch: Driver) -> Confirming:
    found = confirming(launch)
    assert found is not None
    return found


def test_a_search_that_confirms_nothing_has_no_progress_of_a_confirmation(driver: Driver) -> None:
    assert confirming(driver) is None
    driver.finish = cast("Finish", SimpleNamespace(job=None))
    assert confirming(driver) is None


def test_before_the_first_batches_no_time_is_known(launch: Driver) -> None:
    assert seen(launch).text(1e6) == "confirm trial 5: 0 of 10 epochs"


def test_the_first_epoch_is_extrapolated_from_its_batches(launch: Driver, tmp_path: Path) -> None:
    batches(tmp_path / "confirmation", 50, 200, 30.0)
    found = seen(launch)
    assert (found.epoch_seconds, found.to_end) == pytest.approx((120.0, 9.75 * 120))
    assert found.text(1e6) == "confirm trial 5: 0 of 10 epochs, 2m00s per epoch, end in about 19m30s"


def test_later_epochs_take_as_long_as_the_last_one_and_the_running_one_counts_by_its_batches(
    launch: Driver, tmp_path: Path
) -> None:
    folder = tmp_path / "confirmation"
    trained(folder, 90.0, 100.0)
    batches(folder, 50, 200, 30.0)
    os.utime(folder / PROGRESS, (1_000, 1_000))
    os.utime(folder / STEPS, (1_020, 1_020))
    assert (seen(launch).epoch_seconds, seen(launch).to_end) == (100.0, 775.0)
    os.utime(folder / PROGRESS, (1_030, 1_030))
    assert seen(launch).to_end == 800.0, "those are the batches of the epoch before"


def test_a_confirmation_that_the_limit_ends_says_what_it_needs(launch: Driver, tmp_path: Path) -> None:
    trained(tmp_path / "confirmation", *[100.0] * 4)
    assert (
        seen(launch).text(540.0)
        == "confirm trial 5: 4 of 10 epochs, 1m40s per epoch, needs 10m00s, the limit is in 9m00s"
    )


@pytest.mark.parametrize("content", ["", "[", "null", '{"epoch": 1}'])
def test_a_damaged_file_is_no_progress(launch: Driver, tmp_path: Path, content: str) -> None:
    for name in (PROGRESS, STEPS):
        (tmp_path / "confirmation" / name).write_text(content)
    assert seen(launch).text(1e6) == "confirm trial 5: 0 of 10 epochs"


def test_where_nothing_else_trains_the_speed_is_that_of_the_confirmation(launch: Driver, tmp_path: Path) -> None:
    trained(tmp_path / "confirmation", 100.0)
    said = "confirm trial 5: 1 of 10 epochs, 1m40s per epoch, end in about 15m00s"
    launch.started = launch.clock()
    assert speed_text([], SearchTrials(), launch, seen(launch)) == said
    state: Any = SimpleNamespace(epoch_seconds=7.0, images_per_second=None, to_rung=3.0, until=3, trained=1.5)
    assert speed_text([state], SearchTrials(), launch, seen(launch)).startswith("7s per epoch, next rung in 3s")
