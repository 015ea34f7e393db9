"""The interface of an experiment tracker: it receives each trial's curve, and knows which epochs it already has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Value = float | int | str


@dataclass(frozen=True, kw_only=True)
class TrialRun:
    """A trial as a tracker shows it."""

    study: str
    identity: str
    """An identifier, on one line, that distinguishes the study from others of its name."""
    number: int
    parameters: Mapping[str, Value]
    """The network, and the study's settings."""
    metrics: Mapping[str, float]
    """The network's costs, such as parameters and multiply-accumulates."""

    @property
    def name(self) -> str:
        """The run's name in the tracker."""
        return f"trial-{self.number:05d}"


class Tracker(Protocol):
    """Curves and metrics of the trials of one study, in one place.

    A tracker may raise any error of its package; the search then stops logging to it, prints that, and continues.
    """

    @property
    def place(self) -> str:
        """A description of where it writes, for the user, without passwords."""
        ...

    def begin(self, run: TrialRun) -> int:
        """Open a trial's run, or reopen one of an earlier launch; returns how many epochs it already has."""
        ...

    def epoch(self, number: int, step: int, values: Mapping[str, float]) -> None:
        """Add an epoch, counted from 1, to the run of trial ``number``."""
        ...

    def end(self, number: int, state: str, reason: str) -> None:
        """End the run of a trial as complete, pruned or failed."""
        ...

    def close(self) -> None:
        """Write buffered data; the runs of trials that have not ended can be reopened."""
        ...
