from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.results.event_lines import plain_lines, short_line
from nas.search.events import BEGINNINGS, ENDS, Event, What


def event(trial: int, what: What, epochs: int = 0, score: float | None = None, reason: str = "") -> Event:
    return Event(trial=trial, what=what, epochs=epochs, score=score, reason=reason)


def lines(*events: Event) -> list[str]:
    return list(plain_lines(events, 25, ""))


def test_the_accuracy_that_decided_comes_before_the_promotion() -> None:
    assert lines(
        event(3, What.TRAINED, 1, 0.4),
        event(3, What.PAUSED, 1, 0.4),
        event(4, What.TRAINED, 1, 0.5105),
        event(4, What.PAUSED, 1, 0.5105),
        event(4, What.PROMOTED, 1, 0.5105),
        event(5, What.PROPOSED),
        event(4, What.TRAINED, 2, 0.6),
    ) == [
        "trial 3: 40.00% after 1 of 25 epochs",
        "trial 4: 51.05% after 1 of 25 epochs",
        "trial 4 promoted at epoch 1",
        "trial 5 proposed",
        "trial 4: 60.00% after 2 of 25 epochs",
    ]


def test_epochs_that_decided_nothing_are_one_line_and_an_end_has_its_accuracy() -> None:
    assert lines(
        event(1, What.TRAINED, 1, 0.1),
        event(1, What.TRAINED, 2, 0.2),
        event(1, What.PAUSED, 2, 0.2),
        event(2, What.FAILED, 0, None, "its worker died 3 times"),
        event(1, What.PRUNED, 2, 0.2, "below the better half at epoch 2"),
    ) == [
        "trial 2: failed (its worker died 3 times)",
        "trial 1: 20.00% after 2 of 25 epochs, pruned (below the better half at epoch 2)",
    ]


def test_lines_for_a_narrow_place() -> None:
    assert [
        short_line(one, " balanced")
        for one in (
            event(4, What.PROPOSED),
            event(4, What.PAUSED, 1, 0.5105),
            event(4, What.PROMOTED, 1, 0.5105),
            event(4, What.RESUMED, 2, 0.5),
            event(4, What.COMPLETE, 25, 0.9),
            event(4, What.PRUNED, 1, 0.5, "below the better half at epoch 1"),
        )
    ] == [
        "trial 4 proposed",
        "trial 4 paused at epoch 1: 51.05% balanced",
        "trial 4 promoted at epoch 1",
        "trial 4 resumed at epoch 2",
        "trial 4 complete: 90.00% balanced",
        "trial 4 pruned: below the better half at epoch 1",
    ]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([What.TRAINED, What.PROMOTED, What.PRUNED]))))
def test_no_beginning_precedes_what_was_reached_before_it(drawn: list[tuple[int, What]]) -> None:
    """A number that grows with every event is its score: each line shows one, and none comes late."""
    events = [event(trial, what, 1, index / 10_000) for index, (trial, what) in enumerate(drawn)]

    def shown() -> Iterator[tuple[bool, int]]:
        begun = iter([index for index, one in enumerate(events) if one.what in BEGINNINGS])
        for line in plain_lines(events, 25, ""):
            is_begin = "promoted" in line
            percent = line.split(": ")[-1].split("%")[0]
            yield is_begin, next(begun) if is_begin else round(float(percent) * 100)

    order = [index for _, index in shown()]
    assert order == sorted(order)
    reached = {trial for trial, what in drawn if what in ENDS or what is What.TRAINED}
    assert (len(order) > 0) == bool(drawn)
    assert reached <= {events[index].trial for is_begin, index in shown() if not is_begin}


@pytest.mark.parametrize("what", [what for what in What if what in BEGINNINGS])
def test_every_beginning_has_a_line(what: What) -> None:
    assert lines(event(7, what)) == [f"trial 7 {what.value}"]
