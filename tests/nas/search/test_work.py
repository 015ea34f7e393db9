from __future__ import annotations

import random
from pathlib import Path

from nas.search.engine import Placement
from nas.search.work import CHECKPOINT, WEIGHTS, Task, read_progress, train_candidate
from nas.space import space as spaces
from nas.training.feed import Feed

HERE = Placement(device="cpu", threads=1)


def task_of(feed: Feed, folder: Path, until: int) -> Task:
    space = spaces.load("tiny", input=(3, 32, 32), classes=10)
    text = str(space.decode(space.random(random.Random(3))))
    return Task(architecture=text, feed=feed, epochs=2, until=until, seed=5, folder=folder)


def test_a_paused_candidate_goes_on_as_if_it_had_not_paused(feed: Feed, tmp_path: Path) -> None:
    paused = train_candidate(HERE, task_of(feed, tmp_path / "a", 1))
    assert [e["epoch"] for e in paused.curve] == [1]
    assert paused.reason == ""
    assert not (tmp_path / "a" / WEIGHTS).exists()
    draft = tmp_path / "a" / f"{CHECKPOINT}.killed"
    draft.write_text("half")
    resumed = train_candidate(HERE, task_of(feed, tmp_path / "a", 2))
    assert not draft.exists()
    whole = train_candidate(HERE, task_of(feed, tmp_path / "b", 2))
    accuracies = [[(e["epoch"], e["loss"], e["val_accuracy"]) for e in o.curve] for o in (resumed, whole)]
    assert accuracies[0] == accuracies[1]
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()
    assert read_progress(tmp_path / "a") == list(resumed.curve)


def test_before_the_first_epoch_there_is_no_progress(tmp_path: Path) -> None:
    assert read_progress(tmp_path) == []
