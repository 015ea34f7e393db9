"""Epochs made ahead: the one trained on and the next, each once, by a worker of this machine that is idle."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nas.search.engine import Placement
from nas.search.epochs_ahead import EpochsAhead, make_epoch
from nas.search.local_engine import LocalEngine
from nas.training.feed import Feed

PLACE = Placement(device="cpu", threads=1)


class Asked(LocalEngine):
    """An engine of this machine that notes what it is to do."""

    def __init__(self, slots: int) -> None:
        super().__init__([PLACE] * slots)
        self.numbers: list[int] = []
        self.last: Future[Any] = Future()

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        self.numbers.append(args[1])
        self.last = Future()
        return self.last


def test_each_epoch_is_asked_for_once_and_no_further_than_the_next(feed: Feed) -> None:
    engine = Asked(2)
    ahead = EpochsAhead(engine=engine, feed=feed, epochs=4)
    for done in (0, 0):
        ahead.look(done)
    assert engine.numbers == [0], "its worker is busy"
    for done in (0, 0, 2, 2, 3, 3):
        if not engine.last.done():
            engine.last.set_result(None)
        ahead.look(done)
    assert engine.numbers == [0, 1, 2, 3], "none after the last"


def test_one_worker_makes_none_ahead(feed: Feed) -> None:
    """It is the one that trains."""
    engine = Asked(1)
    EpochsAhead(engine=engine, feed=feed, epochs=4).look(0)
    assert engine.numbers == []


def test_what_is_made_is_what_a_training_reads(feed: Feed, tmp_path: Path) -> None:
    ahead, alone = (replace(feed, folder=tmp_path / name) for name in ("ahead", "alone"))
    make_epoch(PLACE, ahead, 1)
    place = ahead.folder / ahead.key / "epoch-0001.npy"
    assert np.array_equal(np.load(place), alone.epoch(1))


def test_a_folder_that_cannot_be_written_is_no_error(feed: Feed, tmp_path: Path) -> None:
    """The training makes its epochs in memory."""
    (tmp_path / "file").write_text("in its place")
    make_epoch(PLACE, replace(feed, folder=tmp_path / "file"), 0)
