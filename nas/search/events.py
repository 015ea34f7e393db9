"""What happens to the candidates of a launch, in the order in which it happens; every view shows it from here."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

LATEST = 100
"""How many of the latest events the live view may show."""


class What(Enum):
    """What happened to a candidate."""

    PROPOSED = "proposed"
    STARTED = "started"
    """A given network got a worker for its first epoch."""
    RESUMED = "resumed"
    PROMOTED = "promoted"
    TRAINED = "trained"
    """An epoch was stored."""
    PAUSED = "paused"
    """It reached a rung, where it waits."""
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


BEGINNINGS = {What.PROPOSED, What.STARTED, What.RESUMED, What.PROMOTED}
"""A candidate gets a worker."""
ENDS = {What.COMPLETE, What.PRUNED, What.FAILED}
"""A candidate has its final state."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened to a candidate."""

    trial: int
    what: What
    epochs: int
    """Epochs that it is trained."""
    score: float | None
    """Accuracy of the last of them, as a share; None before the first."""
    reason: str = ""


@dataclass(kw_only=True)
class Events:
    """The events of a launch."""

    clock: Callable[[], float] = time.monotonic
    latest: deque[tuple[float, Event]] = field(default_factory=lambda: deque(maxlen=LATEST))
    """Newest last, with the time by ``clock``; without single epochs, which would push all others out."""
    _unread: list[Event] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Add what has just happened."""
        self._unread.append(event)
        if event.what is not What.TRAINED:
            self.latest.append((self.clock(), event))

    def take(self) -> list[Event]:
        """The events since the last call, oldest first; none is left out."""
        taken, self._unread = self._unread, []
        return taken
