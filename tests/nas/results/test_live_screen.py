from __future__ import annotations

import io
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console

from nas.results.live_screen import forecast_text, leader_text, screen
from nas.results.search_forecast import Forecast
from nas.results.search_trials import SearchTrials
from nas.search.candidate import State
from nas.search.driver import Driver
from nas.search.events import Event, What
from nas.space.attributes import BROKEN


def shown(driver: Driver, width: int, height: int = 24, trials: SearchTrials | None = None) -> list[str]:
    """The lines of the live view on a terminal of that size."""
    file = io.StringIO()
    seen = trials or SearchTrials()
    seen.look(driver.store.trials())
    console = Console(file=file, force_terminal=True, width=width, height=height, color_system=None)
    console.print(screen(driver, seen, width, height))
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    return lines


def proposed(number: int) -> Event:
    return Event(trial=number, what=What.PROPOSED, epochs=0, score=None)


def test_80_columns_show_best_running_and_rejected(driver: Driver) -> None:
    lines = shown(driver, 80)
    text = "\n".join(lines)
    assert "known   7 of 9 trials started, 6 finished" in text, "the five that ended and the one that was no network"
    assert "target over 85.00%" in text
    assert "best      86.00%, trial 1, complete, 150,000 params" in text
    (row,) = (line for line in lines if " 1/3 " in line)
    assert row.split()[:2] == ["4", "1/3"]
    assert f"{driver.running[0].metrics.params:,}" in row.split()
    assert "25.00" in row.split()
    assert "rejected  1,207" in text or "rejected  0" in text


def test_a_trial_that_leads_but_is_not_complete_is_named_before_the_best_one(driver: Driver) -> None:
    driver.running[0].trial.report(0.875, 1)
    lines = shown(driver, 80)
    assert lines[1] == "leading   87.50%, trial 4 after 1 of 3 epochs, 90,000 params"
    assert lines[2] == "best      86.00%, trial 1, complete, 150,000 params"


def test_where_all_trained_networks_break_a_rule_the_best_of_them_is_shown_with_the_rule(driver: Driver) -> None:
    trials = SearchTrials()
    assert leader_text(trials, driver) == "no epoch yet"
    alone = optuna.create_study(direction="maximize")
    alone.add_trial(
        optuna.trial.create_trial(
            state=TrialState.RUNNING,
            intermediate_values={1: 0.25, 2: 0.455},
            user_attrs={"params": 250_000, BROKEN: ["params < 200k", "receptive_field > 44"]},
        )
    )
    trials.look(alone.trials)
    wanted = (
        "none by the rules yet; 45.50%, trial 0 after 2 of 3 epochs, 250,000 params, "
        "breaks params < 200k, receptive_field > 44"
    )
    assert leader_text(trials, driver) == wanted


def test_the_last_events_are_shown_the_newest_first_as_far_as_there_is_room(driver: Driver) -> None:
    now = 100.0
    driver.clock = lambda: now
    for number in range(20):
        driver.events.add(proposed(number))
        now += 5.0
    lines = shown(driver, 80)
    at = lines.index("what happened last")
    assert lines[at + 1 : at + 3] == ["      5s ago  trial 19 proposed", "     10s ago  trial 18 proposed"]
    assert lines[-1].startswith("Ctrl-C")
    assert "what happened last" not in shown(driver, 80, height=10)


@pytest.mark.parametrize("width", [100, 140])
def test_wide_terminals_show_speed_rungs_and_how_the_best_grew(driver: Driver, width: int) -> None:
    driver.running[0].curve[-1]["images"] = 640
    driver.running[0].epoch_started = driver.clock()
    driver.events.add(proposed(4))
    trials = SearchTrials()
    for accuracy in (0.87, 0.95):
        driver.running[0].trial.report(accuracy, 1 if accuracy < 0.9 else 2)
        trials.look(driver.store.trials())
    lines = shown(driver, width, trials=trials)
    (row,) = (line for line in lines if " 1/3 " in line)
    assert " 64  3 in 20s" in row
    assert any("95.00% " in line and "█" in line for line in lines)
    assert (str(driver.running[0].architecture)[:20] in row) == (width >= 130)


def test_workers_that_train_nothing_are_counted_with_the_reason(driver: Driver) -> None:
    def idle() -> list[str]:
        return [line for line in shown(driver, 80) if line.startswith("idle")]

    assert idle() == []
    driver.engine.slots = 3  # type: ignore[misc]  # settable of this machine's engine
    assert idle() == ["idle      2 of 3 workers: the search waits for the others"]
    driver.next.trials = driver.proposals.count
    assert idle() == ["idle      2 of 3 workers: all trials are started, none can be promoted yet"]
    driver.pool.move(driver.running[0], State.PAUSED)
    assert idle() == [], "between a result and what follows it"
    assert not any("s/epoch" in line for line in shown(driver, 80)), "no table without a row"


def test_more_trials_than_lines_are_counted(driver: Driver) -> None:
    for _ in range(11):
        driver.pool.move(replace(driver.running[0], trial=driver.study.ask()), State.TRAINING)
    lines = shown(driver, 80, height=15)
    rows = sum(" 1/3 " in line for line in lines)
    assert 1 <= rows <= 6
    assert f"and {12 - rows} more" in lines


def test_the_forecast_in_words(driver: Driver) -> None:
    driver.started = driver.clock()
    found = Forecast(epoch_seconds=4.21, images_per_second=1234.4, to_rung=70.0, to_end=1_500.0)
    assert forecast_text(found, driver) == "4.2s per epoch, 1,234 images/s, next rung in 1m10s, end in about 25m00s"
    assert forecast_text(replace(found, to_end=1e7), driver).endswith("end in 277h46m, the limit")
    nothing = Forecast(epoch_seconds=None, images_per_second=None, to_rung=None, to_end=None)
    assert forecast_text(nothing, driver) == "not known yet: the first batches show how long an epoch takes"
