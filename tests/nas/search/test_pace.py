from __future__ import annotations

from pathlib import Path

import pytest

from constraints.cli.options import read_seconds
from nas.search.pace import (
    STEPS,
    Pace,
    StepTimes,
    StepTimesFile,
    as_duration,
    forget_steps,
    patience,
    read_steps,
    too_short,
)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_epoch_is_what_was_before_its_second_step_and_the_others_at_their_pace() -> None:
    # 12 s until the first step was done; 10 more took 5 s, so that all 350 others take 175 s
    assert StepTimes(done=11, total=351, before=12.0, since=5.0).epoch_seconds == 187.0
    assert StepTimes(done=2, total=2, before=1.0, since=0.5).epoch_seconds == 1.5


def test_steps_are_written_at_most_once_a_second(tmp_path: Path) -> None:
    clock = Clock()
    file = StepTimesFile(tmp_path, clock)
    seen = []
    for done, now in enumerate((104.0, 104.5, 104.75, 105.0, 105.875, 106.25), start=1):
        clock.now = now
        file.step(done, 9)
        seen.append(read_steps(tmp_path))
    fourth = StepTimes(done=4, total=9, before=4.0, since=1.0)
    assert seen == [None, None, None, fourth, fourth, StepTimes(done=6, total=9, before=4.0, since=2.25)]
    assert [path.name for path in tmp_path.iterdir()] == [STEPS]


def test_every_epoch_is_timed_from_its_own_beginning(tmp_path: Path) -> None:
    clock = Clock()
    file = StepTimesFile(tmp_path, clock)
    clock.now = 200.0
    file.begin()
    for done, now in ((1, 203.0), (2, 211.0)):
        clock.now = now
        file.step(done, 9)
    assert read_steps(tmp_path) == StepTimes(done=2, total=9, before=3.0, since=8.0)


def test_where_nothing_can_be_written_the_training_is_left_alone(tmp_path: Path) -> None:
    clock = Clock()
    file = StepTimesFile(tmp_path / "none", clock)
    for done in (1, 2):
        clock.now += 9.0
        file.step(done, 9)
    assert read_steps(tmp_path / "none") is None
    forget_steps(tmp_path / "none")


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", '{"done": 3}', '{"done": 3, "total": 9, "before": "x", "since": 1}',
        '{"done": 1, "total": 9, "before": 1.0, "since": 1.0}',
        '{"done": 3, "total": 9, "before": 1, "since": 1, "x": 1}',
        '{"done": 3, "total": 9, "before": 0.0, "since": 0.0}', "\x00",
    ],
)  # fmt: skip
def test_a_file_that_is_damaged_or_of_another_version_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / STEPS).write_text(text)
    assert read_steps(tmp_path) is None


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    (tmp_path / STEPS).write_text("{}")
    forget_steps(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("epoch_seconds", "seconds", "workers", "budget", "epochs", "full", "halved"),
    [
        (40.0, 3600.0, 2, 20, 180, 8, 30),  # rungs 2, 5, 10, 20: 2 + 3/2 + 5/4 + 10/8 = 6 epochs on average
        (40.0, 3600.0, 1, 8, 90, 11, 22),  # rungs 2, 4, 8: 2 + 2/2 + 4/4 = 4
        (40.0, 799.0, 1, 20, 19, 0, 3),
        (40.0, 800.0, 1, 20, 20, 1, 3),
        (40.0, 799.0, 2, 20, 39, 0, 6),  # two workers, and no candidate can be trained by both
        (40.0, 39.0, 1, 1, 0, 0, 0),
        (40.0, 40.0, 1, 1, 1, 1, 1),  # one rung: nothing to halve
    ],
)
def test_what_the_time_allows(
    *, epoch_seconds: float, seconds: float, workers: int, budget: int, epochs: int, full: int, halved: int
) -> None:
    pace = Pace(epoch_seconds=epoch_seconds, seconds=seconds, workers=workers, budget=budget, first_rung=2)
    assert (pace.epochs, pace.full, pace.halved) == (epochs, full, halved)


def test_halving_from_the_first_epoch_on_allows_more_candidates() -> None:
    """Rungs at 1, 2, 5, 10 and 20: 1 + 1/2 + 3/4 + 5/8 + 10/16 = 3.5 epochs a candidate, and 180 epochs of time."""
    assert Pace(epoch_seconds=40.0, seconds=3600.0, workers=2, budget=20).halved == 51


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1s"), (94.2, "95s"), (120.0, "120s"), (120.1, "3m"), (720.0, "12m"), (10_800.0, "180m"), (10_801.0, "4h")],
)
def test_a_limit_is_written_as_the_flag_takes_it(seconds: float, text: str) -> None:
    assert as_duration(seconds) == text
    assert read_seconds(text) >= seconds


def test_a_short_launch_waits_a_quarter_of_its_time_for_an_epoch() -> None:
    assert (patience(60.0), patience(120.0), patience(7200.0)) == (15.0, 30.0, 30.0)


def test_what_a_launch_too_short_for_an_epoch_should_have_been_given() -> None:
    pace = Pace(epoch_seconds=50.0, seconds=0.0, workers=2, budget=20)
    # 1.1 * 50 + 10 = 65 s, 1.1 * 1,000 + 10 = 1,110 s = 18.5 minutes
    assert too_short(pace, 10.0) == (
        "before the first epoch was finished: an epoch takes about 50s here: give --timeout 65s or longer, "
        "19m for all 20 epochs of one candidate"
    )
    assert too_short(None, 10.0) == "before the first epoch was finished: give a longer --timeout"
