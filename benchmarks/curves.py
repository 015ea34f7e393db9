"""The table of learning curves by which search policies are compared: ``benchmarks/curves.csv``.

Run ``python -m benchmarks.curves [--count 64] [--workers 2] [--data SOURCE]``. Feasible candidates of the space
``assignment``, drawn uniformly, are trained by the default recipe with batches of 64 on a fixed part of 10,000 training
images and judged by the whole validation part after every epoch. A row is written as soon as it is trained; rows that
are there are not trained again.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.space import space as spaces
from nas.space.analytic import metrics
from nas.space.feasible import FeasiblePart
from nas.training import datasets, recipes
from nas.training.datasets import Split
from nas.training.feed import Feed
from nas.training.train import train
from nas.user_cache import user_cache

TABLE = Path(__file__).with_name("curves.csv")
EPOCHS = 4
IMAGES = 10_000
DRAWS = 64
DEAR = 40_000_000
"""Multiply-accumulates from which a candidate is left out; so are most without a stride, which cost five times more."""
_FIGURES = ("params", "macs", "receptive_field")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A candidate of the table: validation accuracy after each epoch, and processor seconds of the whole training."""

    architecture: str
    params: int
    macs: int
    receptive_field: int
    seconds: float
    accuracies: tuple[float, ...]


def read(table: Path = TABLE) -> list[Curve]:
    """The curves of a table; none where there is no such file."""
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


def candidates(count: int) -> list[str]:
    """Feasible networks of the default space, drawn uniformly and always the same, none of them DEAR."""
    feasible = FeasiblePart(spaces.load("assignment", input=(3, 32, 32), classes=10), parse_all(ASSIGNMENT))
    found: list[str] = []
    for seed in range(count):
        for row in feasible.sample_rows(DRAWS, np.random.default_rng(seed)):
            judged = feasible.judge(feasible.space.choices(row))
            if judged.metrics.macs < DEAR and str(judged.architecture) not in found:
                found.append(str(judged.architecture))
        if len(found) >= count:
            break
    return found[:count]


@cache
def feed(source: str) -> Feed:
    """IMAGES of the training part, always the same, and the whole validation part to judge by."""
    dataset = datasets.load(source)
    whole = dataset.split()
    part = np.sort(np.random.default_rng(0).permutation(whole.train)[:IMAGES])
    split = Split(train=part, validation=whole.validation)
    return Feed(dataset=dataset, split=split, folder=user_cache() / "epochs")


def measure(architecture: str, source: str) -> Curve:
    """Train one candidate on one thread."""
    torch.manual_seed(0)
    model, figures = build(parse(architecture)), metrics(parse(architecture))
    assert figures.receptive_field is not None
    started = time.process_time()
    recipe = replace(recipes.default(EPOCHS), batch_size=64)
    result = train(model, feed(source), recipe=recipe, epochs=EPOCHS, seed=0, threads=1)
    accuracies = [epoch.val_accuracy or 0.0 for epoch in result.curve]
    return Curve(
        architecture=architecture,
        params=figures.params,
        macs=figures.macs,
        receptive_field=figures.receptive_field,
        seconds=time.process_time() - started,
        accuracies=tuple(accuracies + [0.0] * (EPOCHS - len(accuracies))),  # one that diverged is worth nothing
    )


def _append(curve: Curve) -> None:
    is_new = not TABLE.exists()
    with TABLE.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(["architecture", *_FIGURES, "seconds", *(f"epoch_{n}" for n in range(1, EPOCHS + 1))])
        figures = [getattr(curve, name) for name in _FIGURES]
        writer.writerow([curve.architecture, *figures, f"{curve.seconds:.1f}", *(f"{a:.4f}" for a in curve.accuracies)])


def main() -> None:
    """Train what the table lacks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", default="auto")
    options = parser.parse_args()
    known = {curve.architecture for curve in read()}
    missing = [text for text in candidates(options.count) if text not in known]
    with ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(measure, text, options.data) for text in missing]):
            curve = future.result()
            _append(curve)
            print(f"{100 * curve.accuracies[-1]:.2f} % in {curve.seconds:.0f} s: {curve.architecture}", flush=True)


if __name__ == "__main__":
    main()
