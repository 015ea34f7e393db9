"""Parts of a simulated search: a virtual clock, a meter of the driver's work, and workers that only take time."""

from __future__ import annotations

import heapq
import json
import math
import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from nas.architecture.spec import parse
from nas.search.worker import PROGRESS, Outcome, Task, read_progress
from nas.space.analytic import metrics

T = TypeVar("T")


class Clock:
    """Counts virtual seconds: the driver's own processor time, and skipped time."""

    def __init__(self, write_seconds: float) -> None:
        """``write_seconds`` is the time that each write to disk counts."""
        self.write_seconds = write_seconds
        self.waited = self.skipped = self._outside = 0.0

    def work(self) -> float:
        """Seconds in which the driver worked or waited for its storage."""
        return time.process_time() + self.waited - self._outside

    def __call__(self) -> float:
        """The current virtual time."""
        return self.work() + self.skipped

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Work in the block does not count as the driver's."""
        began = self.work()
        yield
        self._outside += self.work() - began


class Meter:
    """Counts seconds of work by part; a part that another part calls counts its own work."""

    def __init__(self, clock: Clock) -> None:
        """Start with nothing measured."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._parts = ["driver"]
        self._since = clock.work()

    def watch(self, part: str, target: object, *names: str) -> None:
        """Count the time in these methods of ``target`` for ``part``."""
        for name in names:
            setattr(target, name, self._timed(part, getattr(target, name)))

    def turn(self) -> None:
        """Count the time since the last call for the part that is running."""
        now = self._clock.work()
        self.seconds[self._parts[-1]] += now - self._since
        self._since = now

    def _timed(self, part: str, function: Callable[..., T]) -> Callable[..., T]:
        def call(*args: Any, **options: Any) -> T:
            self.turn()
            self._parts.append(part)
            try:
                return function(*args, **options)
            finally:
                self.turn()
                self._parts.pop()

        return call


class SimulatedEngine:
    """Workers that take time on the virtual clock, and write their progress as real ones do."""

    def __init__(self, slots: int, clock: Clock, seconds: Callable[[int], float]) -> None:
        """``seconds`` computes the seconds of an epoch from the candidate's MACs."""
        self.slots = slots
        self.spans: list[tuple[float, float]] = []
        """Start and end of each task."""
        self._clock, self._seconds, self._number = clock, seconds, count()
        self._due: list[tuple[float, int, Path, list[dict[str, Any]], Future[Any] | None]] = []

    def threads(self, count: int) -> int:
        """One, since the simulated times are those of one thread."""
        return 1

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Plan the epochs of a task."""
        task: Task = args[0]
        future: Future[T] = Future()
        with self._clock.outside():
            task.folder.mkdir(parents=True, exist_ok=True)
            trained, now = len(read_progress(task.folder)), self._clock()
            seconds = self._seconds(metrics(parse(task.architecture)).macs)
            for epoch in range(trained + 1, task.until + 1):
                due = now + (epoch - trained) * seconds
                done = future if epoch == task.until else None
                part = curve(task.architecture, epoch)
                heapq.heappush(self._due, (due, next(self._number), task.folder, part, done))
            self.spans.append((now, now + (task.until - trained) * seconds))
        return future

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        """Skip to the next end of a task, or ahead by ``seconds``."""
        until = self._clock() + seconds
        with self._clock.outside():
            is_done = False
            while self._due and self._due[0][0] <= (self._clock() if is_done else until):
                due, _, folder, part, future = heapq.heappop(self._due)
                (folder / PROGRESS).write_text(json.dumps(part))
                self._skip_to(due)
                if future is not None:
                    future.set_result(Outcome(curve=tuple(part)))
                    is_done = True
            if not is_done:
                self._skip_to(until)

    def shutdown(self) -> None:
        """Do nothing: nothing is running."""

    def _skip_to(self, moment: float) -> None:
        self._clock.skipped += max(0.0, moment - self._clock())


def curve(architecture: str, epochs: int) -> list[dict[str, Any]]:
    """Plausible epochs of a candidate, always the same."""
    best, pace = _shape(architecture)
    return [
        {
            "epoch": epoch,
            "loss": 2.3 * math.exp(-epoch / pace),
            "val_accuracy": best * (1 - math.exp(-epoch / pace)),
            "learning_rate": 0.1,
            "seconds": 45.0,
            "images": 45_000,
        }
        for epoch in range(1, epochs + 1)
    ]


@cache
def _shape(architecture: str) -> tuple[float, float]:
    """Final accuracy, and the number of epochs after which 63 % of it is reached."""
    draw = random.Random(architecture)
    return 0.6 + 0.25 * draw.random(), 1.5 + 2 * draw.random()


@contextmanager
def counted_writes(clock: Clock) -> Iterator[None]:
    """Count each write to disk with its median time on the clock."""
    fsync = os.fsync

    def write(file: int) -> None:
        fsync(file)
        clock.waited += clock.write_seconds

    with patch.object(os, "fsync", write):
        yield


def write_seconds(folder: Path) -> float:
    """Median seconds in which the disk stores a line."""
    found = []
    with (folder / "probe").open("ab") as file:
        for _ in range(200):
            file.write(b"x" * 100)
            file.flush()
            began = time.perf_counter() - time.process_time()
            os.fsync(file.fileno())
            found.append(time.perf_counter() - time.process_time() - began)
    return statistics.median(found)
