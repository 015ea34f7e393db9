"""Measures the limits of one driver: 1 to 1,000 workers, and studies of 100 to 100,000 trials, without training.

``python -m benchmarks.simulation [--quick] [--json] [--storage URL]``. Driver, sampler and storage are the real ones;
candidates are not trained, but take time on a virtual clock: 45 s per epoch for 15 million MACs (one CPU core), or 1 s
(a GPU). The clock advances by the driver's processor time and its waits for the storage, where each write to disk
counts as the median of 200 writes here, and skips the workers' time. So a useful share of a half means that workers
wait for the driver half of their time. The other table has the driver's cost of a trial, by part, in studies of each
size, compared with Optuna alone (its default sampler and MedianPruner) on the same study.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout, suppress
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

from benchmarks.simulated import Clock, Meter, SimulatedEngine, counted_writes, curve, write_seconds
from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.spec import Architecture
from nas.optuna_private import storage_of
from nas.search.budget import Budget
from nas.search.driver import Driver
from nas.search.halving import MOST_WAITING, rungs
from nas.search.storage import open_storage
from nas.search.stored import is_database
from nas.search.study import CURVE
from nas.search.worker import PROGRESS
from nas.space.analytic import metrics
from nas.space.attributes import ARCHITECTURE
from nas.space.feasible import FeasiblePart
from nas.space.sampler import FeasibleSampler
from nas.space.space import Encoded, load

if TYPE_CHECKING:
    from nas.training.feed import Feed

T = TypeVar("T")

EPOCHS = 8
SECONDS = {"cpu": lambda macs: 45.0 * macs / 15e6, "gpu": lambda macs: 1.0}
"""Seconds of an epoch by kind of worker."""
WORKERS = 8
"""Number of workers where the size of the study is varied."""


class Bench:
    """A study in a storage with everything that the real driver needs, and a meter on it."""

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
        storage = storage_of(self.study)  # Optuna wraps a database in a cache
        self.meter = Meter(self.clock)
        methods = [n for n in dir(BaseStorage) if not n.startswith("_") and callable(getattr(BaseStorage, n))]
        if is_database(place):
            for method in methods:
                setattr(storage, method, self._waiting(getattr(storage, method)))
        self.meter.watch("storage", storage, *methods)
        self.meter.watch("sampler", self.sampler, "sample_relative")

    def _waiting(self, function: Callable[..., T]) -> Callable[..., T]:
        """Also count the time of waiting for a server, which takes no processor time here."""

        def call(*args: Any, **options: Any) -> T:
            began = time.perf_counter() - time.process_time()
            try:
                return function(*args, **options)
            finally:
                self.clock.waited += time.perf_counter() - time.process_time() - began

        return call

    def driver(self, trials: int, engine: SimulatedEngine) -> Driver:
        """A driver with a budget of ``trials`` in total."""
        driver = Driver(
            study=self.study,
            sampler=self.sampler,
            engine=engine,
            feed=cast("Feed", None),
            budget=Budget(trials=trials, seconds=math.inf, epochs=EPOCHS),
            folder=self.folder,
            clock=self.clock,
        )
        self.meter.watch("halving", driver.pool.halving, "add", "promoted", "until")
        return driver

    def fill(self, rows: Encoded) -> None:
        """Add trials as in the middle of a search: ended, or waiting at a rung."""
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
    """How many epochs halving has trained each candidate; the first ones of a rung's worse half wait there."""
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
    """Useful share of the workers' time while there is work for all, and the driver's cost of a trial."""
    engine = SimulatedEngine(workers, bench.clock, SECONDS[kind])
    driver = bench.driver(trials, engine)
    began, fresh = bench.clock.work(), 0.0

    def stop(driver: Driver) -> None:
        nonlocal fresh
        if driver.proposals.count >= trials:
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
    """Milliseconds of a trial by part, in the study at its current size."""
    size = len(bench.study.get_trials(deepcopy=False))
    driver = bench.driver(10**9, SimulatedEngine(WORKERS, bench.clock, SECONDS["gpu"]))
    began = proposed = 0.0
    started = bench.clock.work()

    def stop(driver: Driver) -> None:
        nonlocal began, proposed
        if not proposed:
            began, proposed = bench.clock.work(), driver.proposals.count
            bench.meter.turn()
            bench.meter.seconds.clear()
        if driver.proposals.count >= proposed + trials:
            raise KeyboardInterrupt

    driver.observe = stop
    with counted_writes(bench.clock):
        try:
            driver.run()
        except KeyboardInterrupt:
            bench.meter.turn()
    made = driver.proposals.count - proposed
    parts = {f"{part}_ms": 1e3 * seconds / made for part, seconds in sorted(bench.meter.seconds.items())}
    return {"trials": size, "start_seconds": began - started, "all_ms": sum(parts.values()), **parts}


def plain(bench: Bench, trials: int) -> float:
    """Milliseconds of a trial by Optuna's documented loop, in the study at its current size."""
    study = optuna.load_study(
        storage=storage_of(bench.study),
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
    return {**written, **_by_name(shares, sizes), "shares": shares, "sizes": sizes}


def _by_name(shares: list[dict[str, Any]], sizes: list[dict[str, Any]]) -> dict[str, Any]:
    """The useful share by kind and number of workers; a trial's cost over Optuna's by storage and size of the study."""
    useful: dict[str, dict[str, float]] = {}
    over: dict[str, dict[str, float]] = {}
    for row in shares:
        useful.setdefault(row["training"], {})[str(row["workers"])] = row["useful_share"]
    for row in sizes:
        over.setdefault(row["storage"], {})[str(row["trials"])] = row["all_ms"] / row["plain_ms"]
    return {"useful_share": useful, "over_optuna": over}


def _distinct(feasible: FeasiblePart, number: int, seed: int) -> Encoded:
    rows = np.unique(feasible.sample_rows(number + number // 50 + 5, np.random.default_rng(seed)), axis=0)
    return np.random.default_rng(seed).permutation(rows)[:number]


def _say(row: dict[str, Any]) -> None:
    cells = (f"{name} {value:,.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items())
    print("  ".join(cells), flush=True)


def main() -> None:
    """Print one line per measurement, or one JSON object."""
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
