"""Makes the tables of learning curves with which search policies are compared: ``benchmarks/tables/TASK.csv``.

Run ``python -m benchmarks.curves [TASK] [--count 64] [--workers 2] [--data SOURCE]``. Feasible candidates of the space
``assignment``, drawn uniformly, are trained by the default recipe with batches of 64 on the images of a task
(``benchmarks/tasks.py``) and evaluated on its whole validation part after every epoch. A row is written as soon as its
candidate is trained; existing rows are not trained again.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.tasks import TASKS, feed
from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.space import space as spaces
from nas.space.analytic import metrics
from nas.space.feasible import FeasiblePart
from nas.training import recipes
from nas.training.training_run import train

TABLES = Path(__file__).with_name("tables")
EPOCHS = 4
IMAGES = TASKS["cifar10"].images
DRAWS = 64
DEAR = 40_000_000
"""A candidate with more multiply-accumulates is left out, as are most without a stride, which cost five times more."""
_FIGURES = ("params", "macs", "receptive_field")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A row of the table: validation accuracy after each epoch, and processor seconds of the whole training."""

    architecture: str
    params: int
    macs: int
    receptive_field: int
    seconds: float
    accuracies: tuple[float, ...]


def read(task: str = "cifar10") -> list[Curve]:
    """The curves of a task; empty if it has no table."""
    table = TABLES / f"{task}.csv"
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return [
            Curve(
                architecture=row["architecture"],
                seconds=float(row["seconds"]),
                accuracies=tuple(float(row[f"epoch_{number}"]) for number in range(1, EPOCHS + 1)),
                **{name: int(row[name]) for name in _FIGURES},
            )
            for row in csv.DictReader(file)
        ]


def candidates(count: int, shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10, first: int = 0) -> list[str]:
    """Feasible networks of the default space, none of them DEAR, drawn uniformly and determined by ``first``."""
    feasible = FeasiblePart(spaces.load("assignment", input=shape, classes=classes), parse_all(ASSIGNMENT))
    found: list[str] = []
    for seed in range(first, first + count):
        for row in feasible.sample_rows(DRAWS, np.random.default_rng(seed)):
            judged = feasible.judge(feasible.space.choices(row))
            if judged.metrics.macs < DEAR and str(judged.architecture) not in found:
                found.append(str(judged.architecture))
        if len(found) >= count:
            break
    return found[:count]


def measure(architecture: str, source: str, task: str = "cifar10") -> Curve:
    """Train one candidate on one thread."""
    torch.manual_seed(0)
    model, figures = build(parse(architecture)), metrics(parse(architecture))
    assert figures.receptive_field is not None
    images = feed(task, source)
    started = time.process_time()
    recipe = replace(recipes.default(EPOCHS), batch_size=64)
    result = train(model, images, recipe=recipe, epochs=EPOCHS, seed=0, threads=1)
    accuracies = [epoch.val_accuracy or 0.0 for epoch in result.curve]
    return Curve(
        architecture=architecture,
        params=figures.params,
        macs=figures.macs,
        receptive_field=figures.receptive_field,
        seconds=time.process_time() - started,
        accuracies=tuple(accuracies + [0.0] * (EPOCHS - len(accuracies))),  # a diverged training has accuracy 0
    )


def _append(curve: Curve, task: str) -> None:
    table = TABLES / f"{task}.csv"
    is_new = not table.exists()
    with table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(["architecture", *_FIGURES, "seconds", *(f"epoch_{n}" for n in range(1, EPOCHS + 1))])
        figures = [getattr(curve, name) for name in _FIGURES]
        writer.writerow([curve.architecture, *figures, f"{curve.seconds:.1f}", *(f"{a:.4f}" for a in curve.accuracies)])


def main() -> None:
    """Train the missing rows of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", nargs="?", default="cifar10", choices=TASKS)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", default="auto")
    options = parser.parse_args()
    known = {curve.architecture for curve in read(options.task)}
    data = feed(options.task, options.data).dataset
    several = candidates(options.count, data.image_shape, len(data.classes), TASKS[options.task].seed)
    missing = [text for text in several if text not in known]
    with ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(measure, text, options.data, options.task) for text in missing]):
            curve = future.result()
            _append(curve, options.task)
            print(f"{100 * curve.accuracies[-1]:.2f} % in {curve.seconds:.0f} s: {curve.architecture}", flush=True)


if __name__ == "__main__":
    main()
