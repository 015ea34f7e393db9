"""Measures how well accuracies at the rungs of a search rank networks by their final accuracy.

Run ``python -m benchmarks.rungs (--study NAME [--storage PLACE] | --table FILE.csv) [--json]``. It takes the trials of
a study, or the rows of a table as ``benchmarks.curves`` writes it, that were trained as long as the longest of them.
For each rung it prints Spearman's rank correlation of the accuracies there with those of the last epoch, its interval
of 95 % by resampling the networks, and how many of the best quarter are in the rung's better half, which is promoted.
Where a search pruned, the networks that are left are the better ones: the correlation is too low, and a line says so.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas.results.board import leaderboard
from nas.search.halving import first_rung, rungs
from nas.search.study_opening import open_study

FEWEST = 4
"""Fewest networks for a meaningful rank correlation."""
RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True)
class Rung:
    """How well a rung predicts the final accuracy."""

    epoch: int
    correlation: float
    low: float
    high: float
    """Ends of the 95 % interval."""
    best: int
    """Number of networks in the best quarter at the end, ..."""
    kept: int
    """... and how many of them are in the better half at the rung."""


def measured(curves: Sequence[Sequence[float]]) -> list[Rung]:
    """Each rung except the last, of trainings of equal length; ``curves`` are accuracies per epoch.

    Raises SystemExit for fewer than FEWEST.
    """
    if len(curves) < FEWEST:
        raise SystemExit(f"{len(curves)} networks were trained to the end: a rank correlation needs {FEWEST} or more")
    values = np.array(curves, dtype=np.float64)
    epochs = values.shape[1]
    return [_rung(values[:, epoch - 1], values[:, -1], epoch) for epoch in rungs(epochs, first_rung(epochs))[:-1]]


def _rung(there: npt.NDArray[np.float64], end: npt.NDArray[np.float64], epoch: int) -> Rung:
    generator = np.random.default_rng(0)
    draws = (generator.integers(len(end), size=len(end)) for _ in range(RESAMPLES))
    found = [rank_correlation(there[draw], end[draw]) for draw in draws if len({*end[draw]}) > 1 < len({*there[draw]})]
    low, high = np.quantile(found, [0.025, 0.975]) if found else (-1.0, 1.0)
    best = np.argsort(-end, kind="stable")[: ceil(len(end) / 4)]
    promoted = np.argsort(-there, kind="stable")[: ceil(len(end) / 2)]
    kept = len({*best.tolist()} & {*promoted.tolist()})
    return Rung(
        epoch=epoch,
        correlation=rank_correlation(there, end),
        low=float(low),
        high=float(high),
        best=len(best),
        kept=kept,
    )


def rank_correlation(some: npt.ArrayLike, others: npt.ArrayLike) -> float:
    """Spearman's, of two lists of equal length."""
    from scipy.stats import spearmanr  # which takes a second to load

    return float(spearmanr(some, others).statistic)


def of_study(name: str, storage: str) -> tuple[list[tuple[float, ...]], int]:
    """The longest curves among a study's trials, and how many trials ended earlier."""
    with open_study(storage, name) as study:
        curves = [until_unknown(row.curve) for row in leaderboard(study, top=None).rows]
    return longest([curve for curve in curves if curve])


def until_unknown(curve: Sequence[float | None]) -> tuple[float, ...]:
    """The accuracies before the first missing one, which means that the training diverged."""
    return tuple(value for value in curve[: [*curve, None].index(None)] if value is not None)


def of_table(file: Path) -> tuple[list[tuple[float, ...]], int]:
    """The same for a table with the columns ``epoch_1``, ``epoch_2``, ..."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    return longest([tuple(float(v) for name, v in row.items() if name.startswith("epoch_") and v) for row in rows])


def longest(curves: Sequence[tuple[float, ...]]) -> tuple[list[tuple[float, ...]], int]:
    """The curves with the most epochs, and how many are shorter."""
    most = max(map(len, curves), default=0)
    return [curve for curve in curves if len(curve) == most], sum(len(curve) < most for curve in curves)


def main() -> None:
    """Print one line per rung, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--study")
    where.add_argument("--table", type=Path)
    parser.add_argument("--storage", default="runs/journal.log")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    curves, shorter = of_table(options.table) if options.table else of_study(options.study, options.storage)
    found = measured(curves)
    if options.json:
        print(json.dumps({"networks": len(curves), "shorter": shorter, "rungs": [asdict(one) for one in found]}))
        return
    print(f"{len(curves)} networks, {len(curves[0])} epochs: rank correlation with the last epoch")
    for one in found:
        best = f"{one.kept} of the best {one.best} are in its better half"
        print(f"epoch {one.epoch:>4}: {one.correlation:+.2f} ({one.low:+.2f} to {one.high:+.2f}), {best}")
    if shorter:
        print(
            f"{shorter} networks were trained for less and are left out: where a rung chose, this is of the better ones"
        )


if __name__ == "__main__":
    main()
