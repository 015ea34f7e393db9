"""How far one driver goes: 1 to 1,000 workers, and studies of 100 to 100,000 trials, with the training simulated.

``python -m benchmarks.simulation [--quick] [--json] [--storage URL]``. Driver, sampler and storage are the real ones;
candidates are not trained but take their time on a virtual clock: 45 s an epoch for 15 million MACs (one CPU core), or
1 s (a GPU). The clock runs by the driver's processor time and by the times for which its storage lets it wait, each
write to disk counted as the median of 200 here, and jumps over what the workers do. So a useful share of a half means
that workers wait for the driver half of their time. The other table tells what a trial costs the driver, by part, in
studies of each size, beside the same study searched by Optuna alone (its default sampler and MedianPruner).
"""

from __future__ import annotations

import argparse
import heapq
import io
import json
import math
import os
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from unittest.mock import patch

import numpy as np
import optuna
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.spec import Architecture, parse
from nas.search.driver import Budget, Driver
from nas.search.halving import MOST_WAITING, rungs
from nas.search.storage import is_database, open_storage
from nas.search.study import CURVE
from nas.search.work import PROGRESS, Outcome, Task, read_progress
from nas.space.analytic import metrics
from nas.space.feasible import FeasiblePart
from nas.space.sampler import ARCHITECTURE, FeasibleSampler
from nas.space.space import Encoded, load

if TYPE_CHECKING:
    from nas.training.feed import Feed

T = TypeVar("T")

EPOCHS = 8
SECONDS = {"cpu": lambda macs: 45.0 * macs / 15e6, "gpu": lambda macs: 1.0}
"""Seconds of an epoch, by what trains."""
WORKERS = 8
"""Workers where the size of the study is what counts."""


class Clock:
    """Virtual seconds: the driver's own, and those skipped."""

    def __init__(self, write_seconds: float) -> None:
        """``write_seconds`` is what a write to the disk counts."""
        self.write_seconds = write_seconds
        self.waited = self.skipped = self._outside = 0.0

    def work(self) -> float:
        """Seconds that the driver worked or waited for its storage."""
        return time.process_time() + self.waited - self._outside

    def __call__(self) -> float:
        """The time now."""
        return self.work() + self.skipped

    @contextmanager
    def outside(self) -> Iterator[None]:
        """What is done meanwhile is not the driver's."""
        began = self.work()
        yield
        self._outside += self.work() - began


class Meter:
    """Seconds of work by part; what one part does in a call of another's is its own."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is measured yet."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._parts = ["driver"]
        self._since = clock.work()

    def watch(self, part: str, target: object, *names: str) -> None:
        """Count the calls of these methods of ``target`` for ``part``."""
        for name in names:
            setattr(target, name, self._timed(part, getattr(target, name)))

    def turn(self) -> None:
        """Count what went by for the part that is at work."""
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
    """Workers that take their time on the virtual clock, and write their progress as real ones do."""

    def __init__(self, slots: int, clock: Clock, seconds: Callable[[int], float]) -> None:
        """``seconds`` are those of an epoch, by the MACs of the candidate."""
        self.slots = slots
        self.spans: list[tuple[float, float]] = []
        """When each piece of work began and ended."""
        self._clock, self._seconds, self._number = clock, seconds, count()
        self._due: list[tuple[float, int, Path, list[dict[str, Any]], Future[Any] | None]] = []

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
        """Skip to the next end of a piece of work, or over ``seconds``."""
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
        """Nothing is left to end."""

    def _skip_to(self, moment: float) -> None:
        self._clock.skipped += max(0.0, moment - self._clock())


def curve(architecture: str, epochs: int) -> list[dict[str, Any]]:
    """Plausible epochs of a candidate; always the same."""
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
    """Accuracy after many epochs, and how many bring it to 63 % of that."""
    draw = random.Random(architecture)
    return 0.6 + 0.25 * draw.random(), 1.5 + 2 * draw.random()


@contextmanager
def counted_writes(clock: Clock) -> Iterator[None]:
    """Let every write to disk take its median time on the clock."""
    fsync = os.fsync

    def write(file: int) -> None:
        fsync(file)
        clock.waited += clock.write_seconds

    with patch.object(os, "fsync", write):
        yield


def write_seconds(folder: Path) -> float:
    """Median of what the disk takes to keep a line."""
    found = []
    with (folder / "probe").open("ab") as file:
        for _ in range(200):
            file.write(b"x" * 100)
            file.flush()
            began = time.perf_counter() - time.process_time()
            os.fsync(file.fileno())
            found.append(time.perf_counter() - time.process_time() - began)
    return statistics.median(found)


class Bench:
    """A study in a storage with all that the real driver needs, and a meter on it."""

    def __init__(self, folder: Path, place: str, feasible: FeasiblePart, write: float) -> None:
        """``place`` is ``memory``, ``journal`` or a URL."""
        self.folder, self.feasible, self.clock = folder, feasible, Clock(write)
        self.storage: BaseStorage = InMemoryStorage()
        if place != "memory":
            self.storage = open_storage(str(folder / "journal.log") if place == "journal" else place, write=True)
        name = f"simulation-{folder.name}"
        self.sampler = FeasibleSampler(feasible, seed=0)
        self.study = optuna.create_study(
            storage=self.storage, study_name=name, direction="maximize", sampler=self.sampler
        )
        self.meter = Meter(self.clock)
        methods = [n for n in dir(BaseStorage) if not n.startswith("_") and callable(getattr(BaseStorage, n))]
        if is_database(place):
            for method in methods:
                setattr(self.study._storage, method, self._waiting(getattr(self.study._storage, method)))
        self.meter.watch("storage", self.study._storage, *methods)
        self.meter.watch("sampler", self.sampler, "sample_relative")

    def _waiting(self, function: Callable[..., T]) -> Callable[..., T]:
        """Count for what a server lets one wait too, which takes no processor time here."""

        def call(*args: Any, **options: Any) -> T:
            began = time.perf_counter() - time.process_time()
            try:
                return function(*args, **options)
            finally:
                self.clock.waited += time.perf_counter() - time.process_time() - began

        return call

    def driver(self, trials: int, engine: SimulatedEngine) -> Driver:
        """A driver of so many trials in all."""
        driver = Driver(
            study=self.study,
            sampler=self.sampler,
            engine=engine,
            feed=cast("Feed", None),
            budget=Budget(trials=trials, seconds=math.inf, epochs=EPOCHS),
            folder=self.folder,
            clock=self.clock,
        )
        self.meter.watch("halving", driver._halving, "add", "promoted", "until")
        return driver

    def fill(self, rows: Encoded) -> None:
        """Add trials as a search in full swing holds them: ended, or waiting at a rung."""
        several = [self.feasible.space.choices(row) for row in rows]
        networks = [self.feasible.space.decode(choices) for choices in several]
        first = len(self.study.get_trials(deepcopy=False))
        trained = halved([str(network) for network in networks])
        with patch.object(os, "fsync", lambda file: None):
            for number, (network, choices) in enumerate(zip(networks, several, strict=True), start=first):
                trial = self._made(network, choices, *trained[str(network)])
                if not trial.state.is_finished():
                    place = self.folder / f"trial-{number:05d}"
                    place.mkdir()
                    (place / PROGRESS).write_text(json.dumps(trial.user_attrs[CURVE]))
                self.study.add_trial(trial)

    def _made(self, network: Architecture, choices: dict[str, Any], epochs: int, state: TrialState) -> FrozenTrial:
        known = curve(str(network), epochs)
        return create_trial(
            state=state,
            params=choices,
            distributions=self.feasible.space.distributions,
            value=known[-1]["val_accuracy"] if state == TrialState.COMPLETE else None,
            user_attrs={**metrics(network).as_dict(), ARCHITECTURE: str(network), CURVE: known},
            intermediate_values={e["epoch"]: e["val_accuracy"] for e in known},
        )


def halved(texts: list[str]) -> dict[str, tuple[int, TrialState]]:
    """How far halving has trained each of several candidates; of the worse half of a rung the first wait there."""
    found: dict[str, tuple[int, TrialState]] = {}
    left = texts
    for level in rungs(EPOCHS):
        ranked = sorted(left, key=lambda text: -curve(text, level)[-1]["val_accuracy"])
        left = ranked[: len(ranked) // 2]
        if level == EPOCHS:
            left = ranked
            found |= dict.fromkeys(ranked, (level, TrialState.COMPLETE))
        found |= dict.fromkeys(ranked[len(left) :], (level, TrialState.PRUNED))
        found |= dict.fromkeys(ranked[len(left) :][:MOST_WAITING], (level, TrialState.RUNNING))
    return found


def share(bench: Bench, kind: str, workers: int, trials: int) -> dict[str, Any]:
    """Useful share of so many workers while there is work for all, and what a trial costs the driver."""
    engine = SimulatedEngine(workers, bench.clock, SECONDS[kind])
    driver = bench.driver(trials, engine)
    began, fresh = bench.clock.work(), 0.0

    def stop(driver: Driver) -> None:
        nonlocal fresh
        if driver._proposed >= trials:
            fresh = engine.spans[-1][0]
            raise KeyboardInterrupt

    driver.observe = stop
    with counted_writes(bench.clock), suppress(KeyboardInterrupt):
        driver.run()
    first = engine.spans[workers - 1][0]
    busy = sum(min(end, fresh) - max(start, first) for start, end in engine.spans if end > first)
    return {
        "workers": workers,
        "training": kind,
        "trials": trials,
        "useful_share": busy / (workers * (fresh - first)),
        "driver_ms_a_trial": 1e3 * (bench.clock.work() - began) / trials,
    }


def growth(bench: Bench, trials: int) -> dict[str, Any]:
    """Milliseconds of a trial by part, in the study as large as it is."""
    size = len(bench.study.get_trials(deepcopy=False))
    driver = bench.driver(10**9, SimulatedEngine(WORKERS, bench.clock, SECONDS["gpu"]))
    began = proposed = 0.0
    started = bench.clock.work()

    def stop(driver: Driver) -> None:
        nonlocal began, proposed
        if not proposed:
            began, proposed = bench.clock.work(), driver._proposed
            bench.meter.turn()
            bench.meter.seconds.clear()
        if driver._proposed >= proposed + trials:
            raise KeyboardInterrupt

    driver.observe = stop
    with counted_writes(bench.clock):
        try:
            driver.run()
        except KeyboardInterrupt:
            bench.meter.turn()
    made = driver._proposed - proposed
    parts = {f"{part}_ms": 1e3 * seconds / made for part, seconds in sorted(bench.meter.seconds.items())}
    return {"trials": size, "start_seconds": began - started, "all_ms": sum(parts.values()), **parts}


def plain(bench: Bench, trials: int) -> float:
    """Milliseconds of a trial by Optuna's documented loop, in the study as large as it is."""
    study = optuna.load_study(
        storage=bench.study._storage,
        study_name=bench.study.study_name,
        sampler=TPESampler(seed=0),
        pruner=MedianPruner(),
    )
    seconds = []
    with counted_writes(bench.clock):
        for _ in range(trials):
            began = bench.clock.work()
            trial = study.ask(bench.feasible.space.distributions)
            with bench.clock.outside():
                text = str(bench.feasible.space.decode(trial.params))
                trial.set_user_attr(ARCHITECTURE, text)
            for epoch in (known := curve(text, EPOCHS)):
                trial.report(epoch["val_accuracy"], epoch["epoch"])
                if trial.should_prune():
                    study.tell(trial, state=TrialState.PRUNED)
                    break
            else:
                study.tell(trial, known[-1]["val_accuracy"])
            seconds.append(bench.clock.work() - began)
    return 1e3 * statistics.fmean(seconds)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Both tables."""
    feasible = FeasiblePart(load("assignment"), parse_all(ASSIGNMENT))
    shares, sizes = [], []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write, number = write_seconds(root), count()

        def bench(storage: str) -> Bench:
            folder = root / f"{os.getpid()}-{next(number)}"
            folder.mkdir()
            return Bench(folder, storage, feasible, write)

        for kind in SECONDS if "share" in options.only else ():
            for workers in options.workers:
                trials = max(50, (2 if options.quick else 3) * workers)
                shares.append(share(bench(options.storage), kind, workers, trials))
                _say(shares[-1])
        for storage in dict.fromkeys(("memory", options.storage)) if "growth" in options.only else ():
            one, before = bench(storage), 0
            for size in options.sizes:
                one.fill(_distinct(feasible, size - before, seed=size))
                before = size
                found = growth(one, options.trials)
                found["plain_ms"] = plain(one, options.trials if size <= 1_000 else 3)
                sizes.append({"storage": storage.partition(":")[0], **found})
                _say(sizes[-1])
    _say(written := {"write_ms": 1e3 * write})
    return {**written, "shares": shares, "sizes": sizes}


def _distinct(feasible: FeasiblePart, number: int, seed: int) -> Encoded:
    rows = np.unique(feasible.sample_rows(number + number // 50 + 5, np.random.default_rng(seed)), axis=0)
    return np.random.default_rng(seed).permutation(rows)[:number]


def _say(row: dict[str, Any]) -> None:
    told = (f"{name} {value:,.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items())
    print("  ".join(told), flush=True)


def main() -> None:
    """Print a line a measurement, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within five minutes")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--storage", default="journal", help="memory, journal or the URL of a database")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 10, 100, 1_000])
    parser.add_argument("--sizes", type=int, nargs="+", help="trials of a study")
    parser.add_argument("--trials", type=int, help="trials to measure at each size")
    parser.add_argument("--only", nargs="+", choices=["share", "growth"], default=["share", "growth"])
    options = parser.parse_args()
    options.sizes = options.sizes or ([100, 1_000, 10_000] if options.quick else [100, 1_000, 10_000, 100_000])
    options.trials = options.trials or (10 if options.quick else 30)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with redirect_stdout(io.StringIO()) if options.json else nullcontext():
        found = measure(options)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
