from __future__ import annotations

import io
import math
import threading
from dataclasses import replace
from queue import Queue
from typing import Any

import pytest
from rich.console import Console

from nas.results import progress
from nas.results.progress import SearchView, pace_line
from nas.search.driver import Driver
from nas.search.events import Event, What
from nas.search.pace import Pace


@pytest.fixture(autouse=True)
def at_every_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.0)


def terminal() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=True, width=80, height=24, color_system=None), file


def add(driver: Driver, what: What, epochs: int, score: float | None = None, *, reason: str = "") -> None:
    driver.events.add(Event(trial=4, what=what, epochs=epochs, score=score, reason=reason))


def test_elsewhere_than_on_a_terminal_each_epoch_and_each_end_is_a_line(driver: Driver) -> None:
    file = io.StringIO()
    with SearchView(Console(file=file)) as shown:
        shown.show(driver)
        assert file.getvalue() == "", "what ended before this launch is not said again"
        add(driver, What.TRAINED, 1, 0.25)
        shown.show(driver)
        shown.show(driver)
        add(driver, What.TRAINED, 2, 0.5)
        add(driver, What.PAUSED, 2, 0.5)
        add(driver, What.PRUNED, 2, 0.5, reason="below the better half at epoch 2")
    assert file.getvalue().splitlines() == [
        "trial 4: 25.00% after 1 of 3 epochs",
        "trial 4: 50.00% after 2 of 3 epochs, pruned (below the better half at epoch 2)",
    ]


def test_what_happens_between_two_updates_of_the_view_is_shown_too(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver drops its events after every tick, of which there are more than updates."""
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.5)
    file, now = io.StringIO(), 0.0
    with SearchView(Console(file=file), lambda: now) as shown:
        for epoch in (1, 2, 3):
            add(driver, What.PROMOTED, epoch)
            shown.show(driver)
            driver.events.take()
            now += 0.3
    assert file.getvalue().splitlines() == [f"trial 4 promoted at epoch {epoch}" for epoch in (1, 2, 3)]


def test_elsewhere_once_a_minute_the_search_is_a_line(driver: Driver) -> None:
    file, now = io.StringIO(), 1_000.0
    driver.clock = lambda: now
    with SearchView(Console(file=file), lambda: now) as shown:
        shown.show(driver)
        now += 59
        shown.show(driver)
        assert file.getvalue() == ""
        now += 1
        driver.running[0].trial.report(0.25, 1)
        shown.show(driver)
    assert file.getvalue().splitlines() == [
        "7 of 9 trials started, 6 finished, 1 training; best 86.00%, trial 1, complete, 150,000 params; "
        # 0.99 of its second epoch is over, of 10 s: 1.01 to the third, and 9 x 3 - 9 - 0.99 to the end
        "10s per epoch, next rung in 10s, end in about 2m50s",
    ]


def test_the_first_thing_that_moves_is_what_is_waited_for(driver: Driver) -> None:
    console, file = terminal()
    now = 0.0
    with SearchView(console, lambda: now) as shown:
        assert "opening the study and counting its space  0s" in file.getvalue()
        now = 7.0
        shown.wait("starting 2 workers")
        assert shown._live is not None
        now = 10.0
        shown._live.refresh()  # type: ignore[union-attr] # a terminal's, no notebook's
        assert "starting 2 workers  3s" in file.getvalue()


def test_no_frame_is_drawn_where_ctrl_c_would_stop_it_half_way_through(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = Queue[threading.Thread]()

    class Frame:
        def __rich__(self) -> str:
            drawn.put(threading.current_thread())
            return "frame"

    monkeypatch.setattr(progress, "screen", lambda *_: Frame())
    with SearchView(terminal()[0]) as shown:
        shown.show(driver)
        assert drawn.get(timeout=60) is not threading.main_thread()


def test_a_note_is_said_once(driver: Driver) -> None:
    file = io.StringIO()
    with SearchView(Console(file=file)) as shown:
        driver.notes.append("trial 0 is trained from scratch")
        shown.show(driver)
        shown.show(driver)
    assert file.getvalue().splitlines() == ["note: trial 0 is trained from scratch"]


PACE = Pace(epoch_seconds=41.2, seconds=3540.0, workers=2, budget=20, first_rung=2)
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
        ({"budget": 1}, "about 171 epochs: 170 candidates of the full 1"),  # 85 by each worker
        ({"seconds": math.inf}, "an epoch takes about 41s here with 2 workers (AVX2)"),
    ],
)
def test_the_pace_in_words(changed: dict[str, Any], said: str) -> None:
    assert said in pace_line(replace(PACE, **changed), "AVX2")


def test_what_happened_last_is_shown_though_the_storage_is_gone(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise RuntimeError("gone")

    file = io.StringIO()
    shown = SearchView(Console(file=file)).__enter__()
    shown.show(driver)
    add(driver, What.TRAINED, 1, 0.25)
    monkeypatch.setattr(driver.store, "trials", gone)
    shown.__exit__(KeyError, KeyError("the cause"), None)  # raises nothing in its place
    assert file.getvalue() == "trial 4: 25.00% after 1 of 3 epochs\n"
