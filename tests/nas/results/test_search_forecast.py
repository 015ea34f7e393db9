"""Forecasts of a driver whose trial 4 has trained an epoch of 10 s of three; expected values by hand."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from nas.results.search_forecast import forecast, under
from nas.search.driver import Driver
from nas.search.pace import STEPS, StepTimes
from nas.training import recipes


def steps(driver: Driver, **changed: Any) -> StepTimes:
    """Nine batches are made after the first one, in 3 s; it was made after 0.5 s."""
    found = replace(StepTimes(done=10, total=40, before=0.5, since=3.0), **changed)
    (driver.running[0].folder / STEPS).write_text(json.dumps(asdict(found)))
    return found


@pytest.fixture
def waited(driver: Driver) -> Driver:
    """Four seconds into the second epoch."""
    driver.clock = lambda: 104.0
    driver.running[0].epoch_started = 100.0
    driver.recipe = replace(recipes.default(3), batch_size=30)
    return driver


def test_batches_show_how_far_an_epoch_is_and_how_fast(waited: Driver) -> None:
    steps(waited)
    found = under(waited.running[0], waited)
    assert (found.batches, found.trained, found.until) == ((10, 40), 1.25, 3)
    assert found.epoch_seconds == 10.0
    assert found.images_per_second == 30 * 9 / 3.0
    assert found.to_rung == 1.75 * 10.0


def test_without_batches_the_time_that_the_last_epoch_took_does(waited: Driver) -> None:
    waited.running[0].curve[-1]["images"] = 640
    found = under(waited.running[0], waited)
    assert (found.batches, found.trained, found.waited) == (None, 1.4, 4.0)
    assert found.images_per_second == 64.0


def test_batches_of_the_epoch_before_say_nothing(waited: Driver) -> None:
    steps(waited, since=9.0)
    assert under(waited.running[0], waited).batches is None


def test_before_its_first_epoch_a_candidate_is_as_far_as_its_batches(waited: Driver) -> None:
    waited.running[0].curve = []
    assert under(waited.running[0], waited).to_rung is None
    assert forecast([under(waited.running[0], waited)], waited, 0, has_complete=False).to_end is None
    whole = steps(waited).epoch_seconds
    assert whole == 0.5 + 3.0 / 9 * 39
    found = under(waited.running[0], waited)
    assert found.trained == 0.25
    assert found.to_rung == pytest.approx(2.75 * whole)


def test_the_end_follows_from_the_epochs_that_are_left(waited: Driver) -> None:
    steps(waited)
    state = under(waited.running[0], waited)
    found = forecast(
        [state, replace(state, epoch_seconds=30.0, images_per_second=10.0, trained=2.5)], waited, 9, has_complete=False
    )
    assert found.epoch_seconds == 20.0
    assert found.images_per_second == 100.0
    assert found.to_rung == 15.0
    # nine trials of three epochs without a rung before, of which 9 and a quarter and a half of another are trained
    assert found.to_end == pytest.approx((27 - 9.75) * 20.0)
    # six of the nine have a network: three are to come, and the one under training has 1.75 epochs to its rung
    assert forecast([state], waited, 25, has_complete=False).to_end == pytest.approx((3 * 3 + 1.75) * 10.0)


def test_the_end_is_no_earlier_than_one_candidate_after_another(waited: Driver) -> None:
    """The last trial of the budget, with 1.75 epochs of 10 s to its rung at the third, of eight."""
    waited.budget = replace(waited.budget, trials=6, epochs=8, first_rung=3)
    steps(waited)
    state = replace(under(waited.running[0], waited), until=3)
    assert forecast([state], waited, 100, has_complete=True).to_end == 1.75 * 10.0
    assert forecast([state], waited, 100, has_complete=False).to_end == (8 - 1.25) * 10.0
