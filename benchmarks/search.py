"""Compares this search with a plain Optuna script by the training until the first candidate over a target.

Run ``python -m benchmarks.search [--seeds 100] [--task NAME] [--foreign NAME] [--quick] [--json]``. The tables of
``benchmarks.curves`` hold learning curves of feasible candidates; a search is replayed by reading accuracies from there
instead of training. For every seed the candidates come in another order, the same for every policy, and
half of the table is left out. The target is what the best tenth of the table reaches. The plain script is Optuna's
documented one: candidates at random, a fixed number of epochs, the median pruner; what is infeasible costs it nothing
here. ``this search`` is the real driver, with rungs at 1, 2 and 4 epochs; where it is guided, the candidates come in
the order of the proxy, each judged by a proxy that never saw its curve. A ``foreign`` proxy is fitted to the table of
another task; one that learns begins as it is and follows the search's own results. ``--rule`` compares the time until
then, for two workers, of two rules of promotion.
"""

from __future__ import annotations

import argparse
import heapq
import json
import statistics
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from benchmarks import prior
from benchmarks.curves import EPOCHS, IMAGES, Curve, read
from benchmarks.tasks import TASKS
from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.spec import parse
from nas.search.budget import Budget
from nas.search.driver import Driver
from nas.search.halving import FIRST_RUNG, RUNG_FACTOR, Halving
from nas.search.worker import Outcome, Task
from nas.space import space as spaces
from nas.space.encoding import choices_of
from nas.space.feasible import FeasiblePart
from nas.space.proxy import FITTED, LinearProxy
from nas.space.proxy_features import ProxyFeatures
from nas.space.sampler import FeasibleSampler, SpaceExhaustedError
from nas.space.surrogate import Surrogate, results
from nas.training.feed import Feed

PLAIN, OURS, LEARNING = "plain Optuna", "this search", "this search, foreign proxy that learns"


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a search spent until the first candidate over the target was trained in full."""

    images: float
    seconds: float
    waited: float = 0.0
    """Wall seconds, if there are several workers."""


Policy = Callable[[list[Curve], float], Spent]
"""Searches a list of distinct candidates, in its order, for one over a target; the list has at least one."""


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
    """A worker that reads a training's results and its time from the table."""

    known: dict[str, Curve]
    slots: int = 1
    now: float = 0.0
    images: float = 0.0
    seconds: float = 0.0
    _trained: dict[str, int] = field(default_factory=dict)
    _coming: list[tuple[float, int, Future[Any], Outcome]] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=count)

    def threads(self, count: int) -> int:
        """One, since the table's seconds are those of one thread."""
        return 1

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
        """Advance the time until the next training is done."""
        self.now, _, future, outcome = heapq.heappop(self._coming)
        future.set_result(outcome)

    def shutdown(self) -> None:
        """Drop running trainings."""


class TableSampler(FeasibleSampler):
    """Proposes the candidates of a list, in its order or best first by a proxy that learns."""

    def __init__(self, feasible: FeasiblePart, order: list[str], proxy: LinearProxy | None = None) -> None:
        """``order`` has the texts of networks."""
        super().__init__(feasible, proxy=proxy)
        self._order = list(order)

    def _claimed(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        if not self._order:
            raise SpaceExhaustedError("the table is at its end")
        choices = choices_of(self.feasible.space, self._order.pop(self._place(study)))
        assert choices is not None
        return dict(choices)

    def _place(self, study: Study) -> int:
        if self.proxy is None:
            return 0
        left = ProxyFeatures.of([parse(text) for text in self._order])
        if learnt := results(study):
            return int(np.argmax(Surrogate.fitted(self.proxy, learnt, left).worth(left)))
        return int(np.argmax(self.proxy.of(left)))


class Published(Halving):
    """Algorithm 2 of Li et al. unchanged: the better half of the candidates at a rung is promoted."""

    def _share(self, passed: int) -> float:
        return len(self._reached[self.levels[passed - 1]]) / RUNG_FACTOR


@cache
def _feasible(shape: tuple[int, int, int], classes: int) -> FeasiblePart:
    return FeasiblePart(spaces.load("assignment", input=shape, classes=classes), parse_all(ASSIGNMENT))


def driven(
    order: list[Curve],
    target: float,
    *,
    workers: int = 1,
    proxy: LinearProxy | None = None,
    first_rung: int = FIRST_RUNG,
) -> Spent:
    """Run the real driver, possibly with a ``proxy`` that learns from its results."""
    some = parse(order[0].architecture)
    sampler = TableSampler(_feasible(some.input, some.classes), [curve.architecture for curve in order], proxy)
    engine = TableEngine({curve.architecture: curve for curve in order}, slots=workers)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    limits = Budget(
        trials=len(order), seconds=1e9, epochs=EPOCHS, target=target, stop_at_target=True, first_rung=first_rung
    )
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(
            study=study,
            sampler=sampler,
            engine=engine,
            feed=cast("Feed", None),  # the table's engine needs no images
            budget=limits,
            folder=Path(folder),
            clock=lambda: engine.now,
        )
        driver.run()
    return Spent(images=engine.images, seconds=engine.seconds, waited=engine.now)


def guided(policy: Policy, predicted: dict[str, float]) -> Policy:
    """A policy that gets the candidates in the order of ``predicted``, best first."""

    def search(order: list[Curve], target: float) -> Spent:
        return policy(sorted(order, key=lambda curve: -predicted[curve.architecture]), target)

    return search


def best_after_one(count: int) -> Policy:
    """Train ``count`` candidates for one epoch, then the best of them in full; repeat until one is over the target."""

    def search(order: list[Curve], target: float) -> Spent:
        images = seconds = 0.0
        begun, coming = list[Curve](), deque(order)
        while coming or begun:
            while coming and len(begun) < count:
                begun.append(coming.popleft())
                images, seconds = images + IMAGES, seconds + begun[-1].seconds / EPOCHS
            best = max(begun, key=lambda curve: curve.accuracies[0])
            begun.remove(best)
            images, seconds = images + IMAGES * (EPOCHS - 1), seconds + best.seconds * (EPOCHS - 1) / EPOCHS
            if best.accuracies[-1] > target:
                break
        return Spent(images=images, seconds=seconds)

    return search


def proxy_of(table: Sequence[Curve]) -> LinearProxy:
    """A proxy fitted to a table."""
    fitted = prior.weights(table)
    return replace(FITTED, weights=fitted["weights"], seconds=fitted["seconds"])


BLANK = replace(FITTED, weights=dict.fromkeys(FITTED.weights, 0.0), price=0.0)
"""A proxy that knows only which candidates take long."""


def policies(table: list[Curve], foreign: Sequence[Curve] = ()) -> dict[str, Policy]:
    """The policies to compare; the prediction for a candidate comes from a fit to all others.

    With ``foreign``, the table of another task, also policies with proxies that were fitted to that table.
    """
    other = proxy_of(foreign) if foreign else None
    static = {c.architecture: _value(other, c) for c in table} if other else {}
    extra: dict[str, Policy] = (
        {"this search, foreign proxy": guided(driven, static), LEARNING: partial(driven, proxy=other)} if other else {}
    )
    predicted = {c.architecture: float(worth) for c, worth in zip(table, prior.worth_unseen(table), strict=True)}
    return {
        PLAIN: scripted(MedianPruner),
        "plain Optuna, guided": guided(scripted(MedianPruner), predicted),
        "Optuna, successive halving": scripted(lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)),
        "Optuna, Hyperband": scripted(lambda: HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=2)),
        "best of 8 after one epoch": best_after_one(8),
        "this search, not guided": driven,
        "this search, learning from nothing": partial(driven, proxy=BLANK),
        "this search, first rung after 2 epochs": guided(partial(driven, first_rung=2), predicted),
        OURS: guided(driven, predicted),
        **extra,
    }


def _value(proxy: LinearProxy, curve: Curve) -> float:
    return proxy(parse(curve.architecture))


def replay(table: list[Curve], seeds: int, foreign: Sequence[Curve] = ()) -> dict[str, list[Spent]]:
    """What each policy spends, per seed."""
    target = sorted((curve.accuracies[-1] for curve in table), reverse=True)[len(table) // 10]
    found: dict[str, list[Spent]] = {}
    compared = policies(table, foreign)
    for seed in range(seeds):
        order = orders(table, Random(seed), target)
        for name, policy in compared.items():
            found.setdefault(name, []).append(policy(order, target))
    return found


def rules(table: list[Curve], seeds: int) -> dict[str, list[float]]:
    """Wall seconds under each of two rules of promotion, per seed."""
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
    """A random half of a table that includes a candidate over the target, in random order."""
    while True:
        order = random.sample(table, len(table) // 2)
        if any(curve.accuracies[-1] > target for curve in order):
            return order


def main() -> None:
    """Replay all policies, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="10 seeds")
    parser.add_argument("--task", default="cifar10", choices=TASKS)
    parser.add_argument("--foreign", choices=TASKS, help="the task to which another proxy is fitted")
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
    found = replay(read(options.task), seeds, read(options.foreign) if options.foreign else ())
    share = TASKS[options.task].images / IMAGES
    found = {name: [replace(one, images=one.images * share) for one in several] for name, several in found.items()}
    plain, ours = (statistics.fmean(s.images for s in found[name]) for name in (PLAIN, OURS))
    if options.json:
        spent = {name: [asdict(one) for one in several] for name, several in found.items()}
        print(json.dumps({"training_to_target_ratio": ours / plain, "spent": spent}))
        return
    for name, several in found.items():
        images, seconds = ([getattr(s, key) for s in several] for key in ("images", "seconds"))
        median, ninetieth = np.quantile(images, [0.5, 0.9])
        print(
            f"{name}: {statistics.fmean(images):,.0f} images ± {statistics.stdev(images) / len(images) ** 0.5:,.0f} "
            f"(median {median:,.0f}, 90th percentile {ninetieth:,.0f}), "
            f"{statistics.fmean(seconds):,.0f} processor seconds"
        )
    print(f"training to target, {OURS} over {PLAIN}: {ours / plain:.2f}")


if __name__ == "__main__":
    main()
