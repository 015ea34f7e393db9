"""Training until the first candidate past a target: this search against a plain Optuna script, over a stored table.

Run ``python -m benchmarks.search [--seeds 100] [--quick] [--json]``. ``benchmarks/tables/cifar10.csv`` holds learning
curves of feasible candidates; a search is replayed by reading a candidate's accuracy from there instead of training
it. For every seed the candidates come in another order, the same for every policy, and half of the table is left out. The target is
what the best tenth of the table reaches. The plain script is Optuna's documented one: candidates at random, a fixed
number of epochs, the median pruner; what is infeasible costs it nothing here. ``this search`` is the real driver, with
rungs at 1, 2 and 4 epochs; where it is guided, the candidates come in the order of the proxy, each judged by a proxy
that never saw its curve. ``--rule`` compares the time until then, for two workers, of two rules of promotion.
"""

from __future__ import annotations

import argparse
import heapq
import json
import statistics
import tempfile
from collections.abc import Callable, Collection, Iterator, Set
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, cast
from unittest.mock import patch

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from benchmarks import prior
from benchmarks.curves import EPOCHS, IMAGES, Curve, read
from constraints.rules import ASSIGNMENT, parse_all
from nas.search.budget import Budget
from nas.search.driver import Driver
from nas.search.halving import RUNG_FACTOR, Halving
from nas.search.worker import Outcome, Task
from nas.space import space as spaces
from nas.space.encoding import choices_of
from nas.space.feasible import FeasiblePart
from nas.space.sampler import FeasibleSampler, SpaceExhaustedError
from nas.training.feed import Feed

PLAIN, OURS = "plain Optuna", "this search"


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a search spent until the first candidate past the target was trained in full."""

    images: float
    seconds: float
    waited: float = 0.0
    """Seconds by the clock, where the workers are several."""


Policy = Callable[[list[Curve], float], Spent]
"""Searches candidates in their order for one past a target; each is there once, and the list holds such a one."""


def scripted(pruner: Callable[[], BasePruner]) -> Policy:
    """Optuna's documented loop: suggest, train epoch by epoch, report, prune."""

    def search(order: list[Curve], target: float) -> Spent:
        images = seconds = 0.0
        coming = iter(order)

        def objective(trial: Trial) -> float:
            nonlocal images, seconds
            curve = next(coming)
            for epoch, accuracy in enumerate(curve.accuracies, start=1):
                images += IMAGES
                seconds += curve.seconds / EPOCHS
                trial.report(accuracy, epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
            if curve.accuracies[-1] > target:
                trial.study.stop()
            return curve.accuracies[-1]

        study = optuna.create_study(direction="maximize", pruner=pruner())
        study.optimize(objective, n_trials=len(order))
        return Spent(images=images, seconds=seconds)

    return search


@dataclass
class TableEngine:
    """A worker that reads from the table what a training would come to; its time is the one measured then."""

    known: dict[str, Curve]
    slots: int = 1
    now: float = 0.0
    images: float = 0.0
    seconds: float = 0.0
    _trained: dict[str, int] = field(default_factory=dict)
    _coming: list[tuple[float, int, Future[Any], Outcome]] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=count)

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Train the candidate of a Task."""
        (task,) = cast("tuple[Task]", args)
        curve, before = self.known[task.architecture], self._trained.get(task.architecture, 0)
        taken = curve.seconds / EPOCHS * (task.until - before)
        self.images += IMAGES * (task.until - before)
        self.seconds += taken
        self._trained[task.architecture] = task.until
        epochs = [
            {"epoch": n, "val_accuracy": curve.accuracies[n - 1], "seconds": 0.0} for n in range(1, task.until + 1)
        ]
        future: Future[Any] = Future()
        heapq.heappush(self._coming, (self.now + taken, next(self._number), future, Outcome(curve=tuple(epochs))))
        return future

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        """Let the time pass until the next training is done."""
        self.now, _, future, outcome = heapq.heappop(self._coming)
        future.set_result(outcome)

    def shutdown(self) -> None:
        """Leave what is under way."""


class TableSampler(FeasibleSampler):
    """Proposes the candidates of a list, in its order."""

    def __init__(self, feasible: FeasiblePart, order: list[str]) -> None:
        """``order`` holds text forms."""
        super().__init__(feasible)
        self._order = iter(order)

    def _choices(self, study: Study, trial: FrozenTrial, attempt: int, held: Set[str] | None) -> dict[str, Any]:
        text = next(self._order, None)
        if text is None:
            raise SpaceExhaustedError("the table is at its end")
        choices = choices_of(self.feasible.space, text)
        assert choices is not None
        return dict(choices)


class Published(Halving):
    """Algorithm 2 of Li et al. unchanged: the better half of the candidates that reached a rung passes it."""

    def _share(self, passed: int) -> float:
        return len(self._reached[self.levels[passed - 1]]) / RUNG_FACTOR


def driven(order: list[Curve], target: float, *, workers: int = 1) -> Spent:
    """The real driver."""
    space = spaces.load("assignment", input=(3, 32, 32), classes=10)
    sampler = TableSampler(FeasiblePart(space, parse_all(ASSIGNMENT)), [curve.architecture for curve in order])
    engine = TableEngine({curve.architecture: curve for curve in order}, slots=workers)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    with tempfile.TemporaryDirectory() as folder, patch("nas.search.halving.FIRST_RUNG", 1):
        driver = Driver(
            study=study,
            sampler=sampler,
            engine=engine,
            feed=cast("Feed", None),  # the table's worker needs no images
            budget=Budget(trials=len(order), seconds=1e9, epochs=EPOCHS, target=target, stop_at_target=True),
            folder=Path(folder),
            clock=lambda: engine.now,
        )
        driver.run()
    return Spent(images=engine.images, seconds=engine.seconds, waited=engine.now)


def guided(policy: Policy, predicted: dict[str, float]) -> Policy:
    """A policy whose candidates come in the order of ``predicted``, the best first."""

    def search(order: list[Curve], target: float) -> Spent:
        return policy(sorted(order, key=lambda curve: -predicted[curve.architecture]), target)

    return search


def policies(table: list[Curve]) -> dict[str, Policy]:
    """What is compared; the prediction for a candidate comes from a fit to all others."""
    predicted = {c.architecture: float(worth) for c, worth in zip(table, prior.worth_unseen(table), strict=True)}
    return {
        PLAIN: scripted(MedianPruner),
        "plain Optuna, guided": guided(scripted(MedianPruner), predicted),
        "Optuna, successive halving": scripted(lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)),
        "Optuna, Hyperband": scripted(lambda: HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=2)),
        "this search, not guided": driven,
        OURS: guided(driven, predicted),
    }


def replay(table: list[Curve], seeds: int) -> dict[str, list[Spent]]:
    """What every policy spends, seed by seed."""
    target = sorted((curve.accuracies[-1] for curve in table), reverse=True)[len(table) // 10]
    found: dict[str, list[Spent]] = {}
    compared = policies(table)
    for seed in range(seeds):
        order = orders(table, Random(seed), target)
        for name, policy in compared.items():
            found.setdefault(name, []).append(policy(order, target))
    return found


def rules(table: list[Curve], seeds: int) -> dict[str, list[float]]:
    """Seconds by the clock under either rule of promotion, seed by seed."""
    target = sorted((curve.accuracies[-1] for curve in table), reverse=True)[len(table) // 10]
    predicted = {c.architecture: float(worth) for c, worth in zip(table, prior.worth_unseen(table), strict=True)}
    search = guided(partial(driven, workers=2), predicted)
    found: dict[str, list[float]] = {"this search": [], "Algorithm 2": []}
    for seed in range(seeds):
        order = orders(table, Random(seed), target)
        found["this search"].append(search(order, target).waited)
        with patch("nas.search.driver.Halving", Published):
            found["Algorithm 2"].append(search(order, target).waited)
    return found


def orders(table: list[Curve], random: Random, target: float) -> list[Curve]:
    """Half of a table, at random, with a candidate past the target among it."""
    while True:
        order = random.sample(table, len(table) // 2)
        if any(curve.accuracies[-1] > target for curve in order):
            return order


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="10 seeds")
    parser.add_argument("--rule", action="store_true", help="compare two rules of promotion")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seeds = 10 if options.quick else options.seeds
    if options.rule:
        waited = rules(read(), seeds)
        if options.json:
            means = {name: statistics.fmean(values) for name, values in waited.items()}
            print(json.dumps({"mean_seconds": means, "seconds": waited}))
            return
        less = [a - b for a, b in zip(*waited.values(), strict=True)]
        for name, values in {**waited, "difference": less}.items():
            print(f"{name}: {statistics.fmean(values):.1f} s ± {statistics.stdev(values) / seeds**0.5:.1f}")
        return
    found = replay(read(), seeds)
    plain, ours = (statistics.fmean(s.images for s in found[name]) for name in (PLAIN, OURS))
    if options.json:
        spent = {name: [asdict(one) for one in several] for name, several in found.items()}
        print(json.dumps({"training_to_target_ratio": ours / plain, "spent": spent}))
        return
    for name, several in found.items():
        images, seconds = ([getattr(s, key) for s in several] for key in ("images", "seconds"))
        print(
            f"{name}: {statistics.fmean(images):,.0f} images ± {statistics.stdev(images) / len(images) ** 0.5:,.0f}, "
            f"{statistics.fmean(seconds):,.0f} processor seconds"
        )
    print(f"training to target, {OURS} over {PLAIN}: {ours / plain:.2f}")


if __name__ == "__main__":
    main()
