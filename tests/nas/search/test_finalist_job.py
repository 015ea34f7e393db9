"""A confirmation's training: what ends it, what starts it again, and how often."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from constraints.errors import KilledError, UnusableInputError
from nas.search.engine import MAX_DEATHS
from nas.search.finalist_job import FinalistJob
from nas.search.pace import STEPS
from nas.search.pool import MOST_REFUSALS
from nas.search.worker import PROGRESS, Confirmed, Task, confirm_candidate
from nas.training.errors import SharedFaultError
from nas.training.feed import Feed
from tests.engines import HereEngine

FULL = OSError(28, "No space left on device")
DONE = Confirmed(curve=(), test_accuracy=0.9)


@dataclass
class Ending(HereEngine):
    """Workers whose trainings end in these ways, one after another."""

    ends: list[BaseException | Confirmed] = field(default_factory=list)
    submitted: list[Task] = field(default_factory=list)

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        assert function is confirm_candidate
        self.submitted.append(args[0])
        future: Future[Any] = Future()
        end = self.ends.pop(0)
        if isinstance(end, Confirmed):
            future.set_result(end)
        else:
            future.set_exception(end)
        return future


@pytest.fixture
def task(feed: Feed, tmp_path: Path) -> Task:
    return Task(architecture="a network", feed=feed, epochs=3, until=3, seed=0, folder=tmp_path / "confirm")


def started(task: Task, *ends: BaseException | Confirmed) -> tuple[FinalistJob, Ending]:
    engine = Ending(ends=list(ends))
    return FinalistJob(trial=4, task=task, engine=engine), engine


def test_a_training_that_ends_is_submitted_once(task: Task) -> None:
    job, engine = started(task, DONE)
    assert job.outcome() is DONE
    assert engine.submitted == [task]


@pytest.mark.parametrize("death", [BrokenProcessPool(), KilledError("killed")])
def test_a_worker_may_die_some_times(task: Task, death: Exception) -> None:
    job, engine = started(task, *[death] * (MAX_DEATHS - 1), DONE)
    assert [job.outcome() for _ in range(MAX_DEATHS)] == [*[None] * (MAX_DEATHS - 1), DONE]
    assert len(engine.submitted) == MAX_DEATHS
    job, engine = started(task, *[death] * MAX_DEATHS)
    reasons = [found.reason if (found := job.outcome()) else "" for _ in range(MAX_DEATHS)]
    assert reasons == [*[""] * (MAX_DEATHS - 1), f"its worker died {MAX_DEATHS} times"]
    assert len(engine.submitted) == MAX_DEATHS, "it is not started again after its last death"


def test_a_full_disk_is_waited_for_and_then_ends_the_launch(task: Task) -> None:
    job, _ = started(task, *[FULL] * (MOST_REFUSALS - 1), DONE)
    assert [job.outcome() for _ in range(MOST_REFUSALS)] == [*[None] * (MOST_REFUSALS - 1), DONE]
    job, _ = started(task, *[FULL] * MOST_REFUSALS)
    for _ in range(MOST_REFUSALS - 1):
        assert job.outcome() is None
    with pytest.raises(OSError, match="No space left"):
        job.outcome()


def test_deaths_and_full_disks_are_counted_apart(task: Task) -> None:
    ends: list[BaseException | Confirmed] = [
        *[FULL] * (MOST_REFUSALS - 1),
        *[BrokenProcessPool()] * (MAX_DEATHS - 1),
        DONE,
    ]
    job, _ = started(task, *ends)
    assert [job.outcome() for _ in ends] == [*[None] * (len(ends) - 1), DONE]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnusableInputError("the network is too small"), "the network is too small"),
        (ValueError("one\ntwo"), "ValueError: one"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_what_is_the_networks_fault_ends_its_confirmation(task: Task, error: Exception, reason: str) -> None:
    job, engine = started(task, error)
    assert job.outcome() == Confirmed(curve=(), test_accuracy=None, reason=reason)
    assert len(engine.submitted) == 1


def test_what_every_training_would_meet_ends_the_launch(task: Task) -> None:
    job, _ = started(task, SharedFaultError("the pipeline raised"))
    with pytest.raises(SharedFaultError, match=r"^the pipeline raised$"):
        job.outcome()


def test_the_epochs_so_far_are_those_of_its_files(task: Task) -> None:
    job, _ = started(task, DONE)
    assert job.done == 0
    task.folder.mkdir()
    one = {"epoch": 1, "loss": 1.0, "val_accuracy": None, "learning_rate": 0.1, "seconds": 1.0, "images": 64}
    (task.folder / PROGRESS).write_text(json.dumps([one, {**one, "epoch": 2}]), "utf-8")
    assert job.done == 2
    (task.folder / PROGRESS).write_text("[", "utf-8")
    assert job.done == 0


def test_times_of_an_earlier_attempt_are_forgotten(task: Task) -> None:
    task.folder.mkdir()
    for _ in range(2):
        (task.folder / STEPS).write_text("{}", "utf-8")
        job, _ = started(task, BrokenProcessPool(), DONE)
        assert not (task.folder / STEPS).exists()
    (task.folder / STEPS).write_text("{}", "utf-8")
    assert job.outcome() is None
    assert not (task.folder / STEPS).exists()
