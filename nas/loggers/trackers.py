"""All trackers of a launch; a tracker that fails is reported and not used any more, and the search continues."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nas.loggers.choice import reason, split, tracker
from nas.loggers.tracker import Tracker, TrialRun


class Trackers:
    """The trackers that ``--log`` named; loads their packages."""

    def __init__(self, texts: Sequence[str], notes: list[str]) -> None:
        """Open each; ``notes`` gets a line on where each writes, and one for each that fails later.

        UnusableInputError for one that fails now.
        """
        self._trackers = {text: tracker(text) for text in dict.fromkeys(texts)}
        notes += [f"epochs are logged to {split(text)[0]} {one.place}" for text, one in self._trackers.items()]
        self._notes = notes
        self._written = set[str]()
        self._logged: dict[str, dict[int, int]] = {text: {} for text in self._trackers}
        """Tracker -> trial -> epochs that its run holds; an open run has an entry."""

    def epochs(self, run: Callable[[], TrialRun], number: int, curve: Sequence[Mapping[str, Any]]) -> None:
        """Log the epochs of ``curve`` that each tracker does not have; ``run`` describes the trial ``number``."""
        self._each(lambda text, one: self._add(text, one, run, number, curve))

    def end(self, run: Callable[[], TrialRun], number: int, state: str, reason: str = "") -> None:
        """End the trial's run as ``complete``, ``pruned`` or ``failed``."""

        def ended(text: str, one: Tracker) -> None:
            self._add(text, one, run, number, ())
            one.end(number, state, reason)
            del self._logged[text][number]

        self._each(ended)

    def say_unused(self) -> None:
        """Add a note on the trackers that got nothing."""
        if unused := [split(text)[0] for text in self._trackers if text not in self._written]:
            self._notes.append(
                f"nothing was logged to {', '.join(unused)}, as this launch trained no trial of the study: "
                "trials that ended before are not logged"
            )

    def close(self) -> None:
        """Write buffered data."""
        self._each(lambda _, one: one.close())

    def _add(
        self, text: str, one: Tracker, run: Callable[[], TrialRun], number: int, curve: Sequence[Mapping[str, Any]]
    ) -> None:
        logged = self._logged[text]
        if number not in logged:
            logged[number] = one.begin(run())
            self._written.add(text)
        for epoch in curve[logged[number] :]:
            one.epoch(number, epoch["epoch"], _numbers(epoch))
            logged[number] = epoch["epoch"]

    def _each(self, call: Callable[[str, Tracker], None]) -> None:
        for text, one in list(self._trackers.items()):
            try:
                call(text, one)
            except Exception as error:  # packages of trackers may raise anything
                del self._trackers[text]
                self._notes.append(f"nothing more is logged to {split(text)[0]}: {reason(error)}")


def _numbers(epoch: Mapping[str, Any]) -> dict[str, float]:
    """The values of an epoch that a curve can show: its numbers."""
    values = {name: value for name, value in epoch.items() if name != "epoch" and isinstance(value, int | float)}
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}
