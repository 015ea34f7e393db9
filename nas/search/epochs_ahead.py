"""Augmented epochs of a confirmation, made by an idle worker while the previous epoch trains."""

from __future__ import annotations

from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nas.search.engine import Engine, Placement
from nas.search.local_engine import LocalEngine

if TYPE_CHECKING:
    from nas.training.feed import Feed


def make_epoch(placement: Placement, feed: Feed, number: int) -> None:
    """Make epoch ``number`` (from 0) in the feed's folder, where every process of this machine finds it."""
    feed.prepare(number)


@dataclass(kw_only=True)
class EpochsAhead:
    """Makes what a training of ``epochs`` will read next; a missing epoch only costs the training time.

    Only a second worker of this machine makes them, since the folder is on this machine.
    """

    engine: Engine
    feed: Feed
    epochs: int
    made: int = 0
    """The first epoch that was not requested from a worker yet."""
    _future: Future[None] | None = field(default=None, init=False)

    def look(self, done: int) -> None:
        """Request the epoch that is trained on after ``done`` epochs, or the one after it; a feed keeps no more."""
        is_idle = self._future is None or self._future.done()
        number = max(self.made, done)
        if is_idle and number < min(done + 2, self.epochs) and isinstance(self.engine, LocalEngine):
            if self.engine.slots > 1:
                self._future = self.engine.submit(make_epoch, self.feed, number)
            self.made = number + 1

    def end(self) -> None:
        """Wait until the epoch being made is complete and its worker is free."""
        if self._future is not None:
            wait([self._future])
