"""Compares this search with a plain Optuna script by real trainings, each for the same time on this machine.

Run ``python -m benchmarks.side_by_side [--seconds 2700] [--seeds 0 1 2] [--workers 2] [--target 0.85] [--data SOURCE]
[--json]``: for every seed first the one, then the other, which is ``benchmarks/plain_optuna.py`` in as many processes.
Printed: seconds and training images until the first candidate past the target, and the best at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from benchmarks.plain_optuna import NAME
from nas.search.storage import open_storage
from nas.search.study import accuracy
from nas.training import datasets, splits

SEARCH = Path(__file__).parents[1] / "search.py"


@dataclass(frozen=True, kw_only=True)
class Found:
    """The result of a search: ``seconds`` and ``images`` until a candidate over the target, None if there is none."""

    who: str
    seed: int
    seconds: float | None
    images: int | None
    best: float | None
    trained: int


def judged(
    trials: Iterable[FrozenTrial], *, who: str, seed: int, began: datetime, target: float, epoch_images: int
) -> Found:
    """Read a study; images until success include all those of candidates begun before it."""
    trials = [trial for trial in trials if trial.intermediate_values]
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    past = [t.datetime_complete for t in complete if t.values[0] > target and t.datetime_complete is not None]
    end = min(past, default=None)
    epochs = sum(len(t.intermediate_values) for t in trials if end is None or (t.datetime_start or began) <= end)
    return Found(
        who=who,
        seed=seed,
        seconds=None if end is None else (end - began).total_seconds(),
        images=None if end is None else epochs * epoch_images,
        best=max((a for a in map(accuracy, complete) if a is not None), default=None),
        trained=len(trials),
    )


def ours(folder: Path, seed: int, options: argparse.Namespace) -> list[FrozenTrial]:
    """Launch, and read the study."""
    journal = folder / "journal.log"
    command = [sys.executable, str(SEARCH), "launch", "--storage", str(journal), "--data", options.data]
    command += ["--seed", str(seed), "--timeout", f"{options.seconds:g}s", "--workers", str(options.workers)]
    command += ["--epochs", str(options.epochs), "--trials", "1000000"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return optuna.load_study(study_name="search", storage=open_storage(str(journal))).trials


def plain(folder: Path, seed: int, options: argparse.Namespace) -> list[FrozenTrial]:
    """Run one script per worker; trainings still running when the time is spent are ended."""
    journal = folder / "journal.log"
    command = [sys.executable, "-m", "benchmarks.plain_optuna", "--storage", str(journal), "--data", options.data]
    command += ["--seconds", str(options.seconds), "--seed", str(seed), "--epochs", str(options.epochs)]
    until = time.monotonic() + options.seconds
    workers = [subprocess.Popen(command) for _ in range(options.workers)]
    for worker in workers:
        try:
            worker.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
    return optuna.load_study(study_name=NAME, storage=open_storage(str(journal))).trials


def main() -> None:
    """Run both searches, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2700.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--target", type=float, default=0.85)
    parser.add_argument("--data", default="auto")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    labels = datasets.load(options.data).train_labels
    epoch_images = len(splits.split(labels).train)
    found = []
    for seed in options.seeds:
        for who, search in (("this search", ours), ("plain Optuna", plain)):
            began = datetime.now()
            with tempfile.TemporaryDirectory() as folder:
                trials = search(Path(folder), seed, options)
            found.append(
                judged(trials, who=who, seed=seed, began=began, target=options.target, epoch_images=epoch_images)
            )
            if not options.json:
                print(_line(found[-1]), flush=True)
    if options.json:
        print(json.dumps([asdict(one) for one in found]))


def _line(one: Found) -> str:
    when = "no candidate past the target" if one.seconds is None else f"{one.seconds:,.0f} s, {one.images:,} images"
    best = "none complete" if one.best is None else f"best {100 * one.best:.2f} %"
    return f"{one.who}, seed {one.seed}: {when}; {best}, {one.trained} candidates trained"


if __name__ == "__main__":
    main()
