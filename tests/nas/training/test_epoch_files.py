"""Epoch files: shared by processes, bounded, and made again when lost."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nas.search.worker_processes import WorkerContext
from nas.training import feed
from nas.training.feed import Feed


def make(source: Feed) -> bytes:
    """An epoch as another process sees it."""
    return source.epoch(0).tobytes()


def test_processes_share_the_making(digits_feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = replace(digits_feed, folder=tmp_path)
    with ProcessPoolExecutor(2, mp_context=WorkerContext()) as pool:
        made = {future.result() for future in [pool.submit(make, source) for _ in range(4)]}
    assert made == {digits_feed.epoch(0).tobytes()}
    assert sorted(p.name for p in (tmp_path / source.key).glob("epoch*")) == [
        "epoch-0000.npy",
        "epoch-0000.npy.lock",
    ]


def test_a_maker_that_died_is_taken_over(digits_feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PIECE", 60)
    source = replace(digits_feed, folder=tmp_path)
    whole = np.array(source.epoch(1))
    (tmp_path / source.key / "epoch-0001.npy").unlink()
    augmented = Feed._augmented
    made: list[int] = []

    limit = 2

    def die_at_the_limit(self: Feed, number: int, piece: int) -> np.ndarray:
        if len(made) == limit:
            raise KeyboardInterrupt
        made.append(piece)
        return augmented(self, number, piece)

    monkeypatch.setattr(Feed, "_augmented", die_at_the_limit)
    with pytest.raises(KeyboardInterrupt):
        source.epoch(1)
    assert made == [0, 1]
    limit = 99
    np.testing.assert_array_equal(source.epoch(1), whole)
    assert made == list(range(-(-len(whole) // 60)))  # each piece once


def test_few_epochs_are_kept_and_what_is_read_stays_readable(digits_feed: Feed, tmp_path: Path) -> None:
    size = digits_feed.epoch(0).nbytes + 128  # the header of a .npy file of this kind
    source = replace(digits_feed, folder=tmp_path, keep_bytes=3 * size)
    first = source.epoch(0)
    copy = np.array(first)
    for number in range(1, 5):
        time.sleep(0.01)
        source.epoch(number)
    kept = sorted(path.name for path in (tmp_path / source.key).glob("*.npy"))
    assert kept == ["epoch-0002.npy", "epoch-0003.npy", "epoch-0004.npy"]
    np.testing.assert_array_equal(first, copy)
    np.testing.assert_array_equal(source.epoch(0), copy)


def test_the_newest_epochs_stay_whatever_their_size(digits_feed: Feed, tmp_path: Path) -> None:
    source = replace(digits_feed, folder=tmp_path, keep_bytes=0)
    for number in range(3):
        assert len(source.epoch(number)) == len(source.labels)
    assert len(list((tmp_path / source.key).glob("*.npy"))) == 2


def test_what_dead_makers_left_goes_after_a_day(digits_feed: Feed, tmp_path: Path) -> None:
    old, young = tmp_path / "key/epoch-0001.npy.part", tmp_path / "key/epoch-0002.npy.part"
    old.parent.mkdir()
    for path, age in ((old, 25), (young, 23)):
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age * 3600,) * 2)
    replace(digits_feed, folder=tmp_path).epoch(0)
    assert (old.exists(), young.exists()) == (False, True)
