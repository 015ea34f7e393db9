"""Events of a search as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nas.search.events import BEGINNINGS, ENDS, Event, What


def plain_lines(events: Sequence[Event], epochs: int, measure: str) -> Iterator[str]:
    """A line per beginning, and one for what each trial reached before the next beginning.

    An accuracy comes before whatever it may have decided. ``epochs`` is the budget of a candidate; ``measure`` is
    printed after an accuracy.
    """
    reached: dict[int, Event] = {}
    for event in events:
        if event.what in BEGINNINGS:
            yield from (_reached(one, epochs, measure) for one in reached.values())
            reached.clear()
            yield _begins(event)
        elif event.what is What.TRAINED or event.what in ENDS:
            reached.pop(event.trial, None)
            reached[event.trial] = event
    yield from (_reached(one, epochs, measure) for one in reached.values())


def short_line(event: Event, measure: str) -> str:
    """An event for a narrow place."""
    if event.what in BEGINNINGS:
        return _begins(event)
    score = "" if event.score is None else f": {event.score:.2%}{measure}"
    if event.what is What.PAUSED:
        return f"trial {event.trial} paused at epoch {event.epochs}{score}"
    reason = f": {event.reason}" if event.reason else ""
    return f"trial {event.trial} {event.what.value}{reason or score}"


def _begins(event: Event) -> str:
    at = f" at epoch {event.epochs}" if event.epochs else ""
    return f"trial {event.trial} {event.what.value}{at}"


def _reached(event: Event, epochs: int, measure: str) -> str:
    parts = []
    if event.score is not None:
        parts.append(f"{event.score:.2%}{measure} after {event.epochs} of {epochs} epochs")
    if event.what in ENDS:
        parts.append(event.what.value + (f" ({event.reason})" if event.reason else ""))
    return f"trial {event.trial}: {', '.join(parts)}"
