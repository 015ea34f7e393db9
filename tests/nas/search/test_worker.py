from __future__ import annotations

import json
import random
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.cpu import cpu_class
from nas.search import pace
from nas.search.engine import Placement
from nas.search.pace import STEPS, StepTimes, read_steps
from nas.search.worker import (
    CHECKPOINT,
    PROGRESS,
    TEST,
    WEIGHTS,
    Task,
    confirm_candidate,
    curve_of,
    read_progress,
    train_candidate,
)
from nas.space import space as spaces
from nas.training import recipes
from nas.training.feed import Feed
from nas.training.precision import Precision, resolve
from nas.training.session import Epoch

HERE = Placement(device="cpu", threads=1)


def task_of(feed: Feed, folder: Path, until: int) -> Task:
    space = spaces.load("tiny", input=(3, 32, 32), classes=10)
    text = str(space.decode(space.random(random.Random(3))))
    return Task(architecture=text, feed=feed, epochs=2, until=until, seed=5, folder=folder)


def test_a_paused_candidate_resumes_as_if_it_had_not_paused(feed: Feed, tmp_path: Path) -> None:
    paused = train_candidate(HERE, task_of(feed, tmp_path / "a", 1))
    assert [e["epoch"] for e in paused.curve] == [1]
    assert paused.reason == ""
    assert not (tmp_path / "a" / WEIGHTS).exists()
    draft = tmp_path / "a" / f"{CHECKPOINT}.4711.tmp"
    draft.write_text("half")
    resumed = train_candidate(HERE, task_of(feed, tmp_path / "a", 2))
    assert not draft.exists()
    whole = train_candidate(HERE, task_of(feed, tmp_path / "b", 2))
    accuracies = [[(e["epoch"], e["loss"], e["val_accuracy"]) for e in o.curve] for o in (resumed, whole)]
    assert accuracies[0] == accuracies[1]
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()
    assert read_progress(tmp_path / "a") == list(resumed.curve)


def test_steps_are_written_while_it_trains_and_are_gone_when_it_ends(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "WRITE_SECONDS", 0.0)
    seen: list[StepTimes | None] = []
    recipe = replace(recipes.default(2), batch_size=32)
    task = replace(task_of(feed, tmp_path, 1), recipe=recipe, after_epoch=lambda: seen.append(read_steps(tmp_path)))
    train_candidate(HERE, task)
    (steps,) = seen
    assert steps is not None
    assert (steps.done, steps.total) == (2, 2), "64 images in batches of 32"
    assert steps.before > 0
    assert steps.since > 0
    assert not list(tmp_path.glob(f"{STEPS}*"))


@pytest.mark.parametrize("chosen", ["float32", "bfloat16"])
def test_a_candidate_trains_in_the_precision_of_its_study(feed: Feed, tmp_path: Path, chosen: Precision) -> None:
    train_candidate(HERE, replace(task_of(feed, tmp_path, 1), precisions={cpu_class(): chosen, "other": "float32"}))
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["state"]["precision"] == chosen


def test_on_a_cpu_that_the_study_does_not_know_it_trains_in_what_is_faster(feed: Feed, tmp_path: Path) -> None:
    faster = resolve("auto", torch.device("cpu"))
    other: Precision = "float32" if faster == "bfloat16" else "bfloat16"
    train_candidate(HERE, replace(task_of(feed, tmp_path, 1), precisions={"other": other}))
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["state"]["precision"] == faster


def test_before_the_first_epoch_there_is_no_progress(tmp_path: Path) -> None:
    assert read_progress(tmp_path) == []


@dataclass(frozen=True, kw_only=True)
class WatchedFeed(Feed):
    """Notes how many epochs are trained whenever its test images are asked for."""

    training: Path
    opened: list[int]

    @property
    def evaluation(self) -> Any:
        self.opened.append(len(read_progress(self.training)))
        return self.dataset.test_images, self.dataset.test_labels


@pytest.fixture
def watched(whole_feed: Feed, tmp_path: Path) -> WatchedFeed:
    return WatchedFeed(dataset=whole_feed.dataset, split=None, folder=whole_feed.folder, training=tmp_path, opened=[])


def test_the_test_set_is_opened_once_after_the_last_epoch(watched: WatchedFeed, tmp_path: Path) -> None:
    task = task_of(watched, tmp_path, 2)
    confirmed = confirm_candidate(HERE, task)
    assert watched.opened == [2]
    assert confirmed.reason == ""
    assert [(e["epoch"], e["val_accuracy"]) for e in confirmed.curve] == [(1, None), (2, None)]
    assert [e["val_accuracy"] for e in json.loads((tmp_path / PROGRESS).read_text())] == [None, None]

    network = build(parse(task.architecture)).eval()
    network.load_state_dict(load_file(tmp_path / WEIGHTS))
    images, labels = watched.dataset.test_images, watched.dataset.test_labels
    pixels = (torch.tensor(images).permute(0, 3, 1, 2) / 255 - torch.tensor(watched.mean).view(3, 1, 1)) / torch.tensor(
        watched.std
    ).view(3, 1, 1)
    with torch.inference_mode():
        right = network(pixels.float()).argmax(1).numpy() == labels
    assert confirmed.test_accuracy == pytest.approx(float(np.mean(right)), abs=2 / len(labels))  # ties in float32


def test_a_confirmation_that_is_done_is_read_and_not_done_again(watched: WatchedFeed, tmp_path: Path) -> None:
    first = confirm_candidate(HERE, task_of(watched, tmp_path, 2))
    changed = (tmp_path / CHECKPOINT).stat().st_mtime_ns
    assert confirm_candidate(HERE, task_of(watched, tmp_path, 2)) == first
    assert watched.opened == [2]
    assert (tmp_path / CHECKPOINT).stat().st_mtime_ns == changed, "no epoch was trained"
    (tmp_path / TEST).unlink()  # as a kill between the last epoch and the judging leaves it
    assert confirm_candidate(HERE, task_of(watched, tmp_path, 2)) == first
    assert watched.opened == [2, 2]


def test_a_confirmation_that_fails_leaves_the_test_set_closed(watched: WatchedFeed, tmp_path: Path) -> None:
    confirm_candidate(HERE, replace(task_of(watched, tmp_path, 1), epochs=3))
    assert watched.opened == []
    content = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    for tensor in content["state"]["model"].values():
        if tensor.is_floating_point():
            tensor.fill_(float("nan"))
    torch.save(content, tmp_path / CHECKPOINT)
    failed = confirm_candidate(HERE, replace(task_of(watched, tmp_path, 3), epochs=3))
    assert failed.test_accuracy is None
    assert failed.reason.startswith("diverged: loss is nan in epoch 2")
    assert watched.opened == []
    assert not (tmp_path / TEST).exists()


def test_every_field_of_an_epoch_may_be_in_a_curve() -> None:
    epoch = {field.name: 1 for field in fields(Epoch)}
    assert curve_of(json.dumps([epoch]).encode()) == [epoch]
