"""What happens to candidates, in order, for a reader that takes it all and for one that looks at the latest."""

from __future__ import annotations

from itertools import count

import pytest

from nas.search.events import BEGINNINGS, ENDS, LATEST, Event, Events, What


def event(trial: int, what: What = What.PAUSED) -> Event:
    return Event(trial=trial, what=what, epochs=1, score=0.5)


def test_what_is_taken_is_taken_once_and_in_order() -> None:
    events = Events()
    assert events.take() == []
    several = [event(trial, what) for trial, what in enumerate(What)]
    for one in several[:4]:
        events.add(one)
    taken = events.take()
    events.add(several[4])
    assert taken == several[:4], "what comes later is in no list that was taken"
    assert events.take() == [several[4]]


def test_single_epochs_are_not_among_the_latest() -> None:
    ticks = count()
    events = Events(clock=lambda: float(next(ticks)))
    for what in (What.PROPOSED, What.TRAINED, What.PAUSED):
        events.add(event(0, what))
    assert [(at, one.what) for at, one in events.latest] == [(0.0, What.PROPOSED), (1.0, What.PAUSED)]
    assert len(events.take()) == 3


@pytest.mark.parametrize(("added", "first"), [(LATEST - 1, 0), (LATEST, 0), (LATEST + 1, 1)])
def test_the_latest_are_a_limited_number_and_none_is_lost_to_who_takes(added: int, first: int) -> None:
    events = Events()
    for trial in range(added):
        events.add(event(trial))
    assert [one.trial for _, one in events.latest] == list(range(first, added))
    assert len(events.take()) == added
    assert len(events.latest) == added - first, "what was taken is still shown"


def test_a_candidate_begins_or_ends_or_neither() -> None:
    assert not BEGINNINGS & ENDS
    assert set(What) - BEGINNINGS - ENDS == {What.TRAINED, What.PAUSED}
