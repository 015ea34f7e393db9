"""Ablation of the training recipe: each row is a recipe and a network, trained and evaluated in the same way.

Run ``python -m benchmarks.recipes [ROW ...] [--epochs N] [--seeds 0 1 2] [--data SOURCE] [--json]``. Rows are judged by
the validation part of the training set. ``--test`` trains on the whole training set and opens the test set once a
training, after its last epoch. With ``--checkpoints FOLDER`` a row that was interrupted resumes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from constraints.augmentation import judge_augmentation
from nas.architecture.model import build
from nas.architecture.named import SEED
from nas.architecture.spec import parse
from nas.training import datasets, decoded, recipes
from nas.training.augmentation import PIPELINES
from nas.training.evaluation import evaluate
from nas.training.feed import Feed
from nas.training.options.phase import Phase
from nas.training.recipes import Recipe
from nas.training.training_run import Epoch, train
from nas.user_folders import user_cache

MARKS = (0.70, 0.80, 0.85)
PLAIN = "BR/c32-pw32-c48s2/+c48-+c48-c64s2/+c64-+c64d2-dws2-pw96/+dw.pw96-+dw.pw96-+dw.pw96/fc"
"""198,762 parameters, 23.2 M MACs; keeps the default constraints."""
CHAIN = "BR/c32-pw32-c48s2/c48-c48-c64s2/c64-c64d2-dws2-pw96/dw-pw96-dw-pw96-dw-pw96/fc"
"""PLAIN without its residuals."""
WIDE = "BG/c32-+c32-c48s2/+c48-+c48-c64s2/+c64-+c64d2-dws2-pw80/+dw.pw80-+dw.pw80-+dw.pw80/fc"
"""196,666 parameters, 31.4 M MACs; keeps the default constraints."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A network, how it is trained, and on which augmented epochs; with ``fresh``, each seed has its own."""

    architecture: str
    recipe: Recipe
    augmentation: str = "assignment"
    probabilities: dict[str, float] = field(default_factory=dict)
    fresh: bool = False


def rows(epochs: int) -> dict[str, Row]:
    """Every row of the ablation for a budget of ``epochs``."""
    plain = partial(Row, architecture=PLAIN)
    sgd, shipped = recipes.sgd(epochs), recipes.default(epochs)
    muon = replace(shipped, whitening=False)
    long, mirrored = recipes.long(epochs), {"flip": 1.0}
    wide = partial(Row, architecture=WIDE)
    return {
        "sgd": plain(recipe=sgd),
        "sgd float32": plain(recipe=replace(sgd, precision="float32")),
        "sgd whitening": plain(recipe=replace(sgd, whitening=True)),
        "muon": plain(recipe=muon),
        "muon rate 0.02": plain(recipe=replace(muon, phases=(_muon(peak_lr=0.02),))),
        "muon norm-bias 4": plain(recipe=replace(muon, norm_bias_lr=4.0)),
        "default": plain(recipe=shipped),
        "default whole norm": plain(recipe=replace(shipped, halved_norm=False)),
        "default float32": plain(recipe=replace(shipped, precision="float32")),
        "default whitened by the first images": plain(recipe=replace(shipped, whitening_spread=False)),
        "default rate 0.1": plain(recipe=replace(shipped, phases=(_muon(peak_lr=0.1),))),
        "default batch 64": plain(recipe=replace(shipped, batch_size=64)),
        "default smoothing 0.1": plain(recipe=replace(shipped, label_smoothing=0.1)),
        "default low resolution": plain(recipe=replace(shipped, low_resolution=0.4)),
        "default mixup 0.2": plain(recipe=replace(shipped, mixup=0.2)),
        "default crop 4": plain(recipe=replace(shipped, crop=4), probabilities={"shift_scale_rotate": 0.0}),
        "default shift 0.5": plain(recipe=shipped, probabilities={"shift_scale_rotate": 0.5}),
        "adamw": plain(recipe=replace(shipped, phases=(Phase(optimiser="adamw", peak_lr=0.01, weight_decay=0.05),))),
        "default no dropout": plain(recipe=shipped, probabilities={"dropout": 0.0}),
        "default fresh": plain(recipe=shipped, fresh=True),
        "default chain": Row(architecture=CHAIN, recipe=shipped),
        "default chain dirac": Row(architecture=CHAIN, recipe=replace(shipped, dirac=True)),
        "default wide": Row(architecture=WIDE, recipe=shipped),
        "default wide low resolution": wide(recipe=replace(shipped, low_resolution=0.4)),
        "default wide shift 0.5": Row(architecture=WIDE, recipe=shipped, probabilities={"shift_scale_rotate": 0.5}),
        "long wide": wide(recipe=long),
        "long wide alternating": wide(recipe=long, probabilities=mirrored),
        "long wide without average": wide(recipe=replace(long, ema_decay=shipped.ema_decay)),
        "long wide without rest decay": wide(recipe=replace(long, phases=shipped.phases)),
        "long wide without smoothing": wide(recipe=replace(long, label_smoothing=0.0)),
        "long wide without low resolution": wide(recipe=replace(long, low_resolution=0.0)),
        "long wide without mixup": wide(recipe=replace(long, mixup=0.0)),
        "long wide without growth": wide(recipe=replace(long, mixup_growth=0.0)),
        "long wide without crop": wide(recipe=replace(long, crop=0)),
        "long wide batch 256": wide(recipe=replace(long, batch_size=256)),
        "long on seed": Row(architecture=str(SEED), recipe=long),
        "seed": Row(architecture=str(SEED), recipe=recipes.seed(), augmentation="seed"),
        "default on seed": Row(architecture=str(SEED), recipe=shipped),
    }


def _muon(*, peak_lr: float) -> Phase:
    return replace(recipes.default(1).phases[0], peak_lr=peak_lr)


@dataclass(frozen=True, kw_only=True)
class Way:
    """How rows are trained: until epoch ``until`` of a schedule of ``epochs``, with checkpoints in ``folder``."""

    epochs: int
    until: int
    threads: int
    test: bool
    folder: Path | None

    def checkpoint(self, row: str, seed: int) -> Path | None:
        """The checkpoint of a row's training."""
        part = "test" if self.test else "validation"
        return self.folder and self.folder / f"{row.replace(' ', '-')}-{self.epochs}-{part}-{seed}.pt"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One training of a row; ``processor_seconds`` are those of all its threads."""

    row: str
    seed: int
    accuracy: float
    part: str
    processor_seconds: float
    curve: tuple[Epoch, ...]

    def reached(self, mark: float) -> tuple[int, float] | None:
        """Epochs and seconds until the first epoch with an accuracy of at least ``mark``."""
        seconds = 0.0
        for epoch in self.curve:
            seconds += epoch.seconds
            if epoch.val_accuracy is not None and epoch.val_accuracy >= mark:
                return epoch.epoch, seconds
        return None


def measure(name: str, row: Row, dataset: decoded.Dataset, seed: int, way: Way) -> Measured:
    """Train one row with one seed."""
    feed = Feed(
        dataset=dataset,
        split=None if way.test else dataset.split(),
        folder=user_cache() / "epochs",
        augmentation=row.augmentation,
        probabilities=row.probabilities,
        seed=1000 + seed if row.fresh else 0,
    )
    _check_augmentation(feed)
    torch.manual_seed(seed)
    model = build(parse(row.architecture))
    started = time.process_time()
    result = train(
        model,
        feed,
        recipe=row.recipe,
        epochs=way.epochs,
        seed=seed,
        threads=way.threads,
        checkpoint=way.checkpoint(name, seed),
        on_epoch=partial(_goes_on, way.until),
    )
    taken = time.process_time() - started
    if result.reason not in ("", "stopped"):
        raise SystemExit(f"{name}: {result.reason}")
    accuracy = evaluate(model, *feed.evaluation, feed.mean, feed.std).accuracy if way.test else result.val_accuracy
    assert accuracy is not None
    part = "test" if way.test else "validation"
    return Measured(row=name, seed=seed, accuracy=accuracy, part=part, processor_seconds=taken, curve=result.curve)


def _goes_on(until: int, epoch: Epoch) -> bool:
    print(f"epoch {epoch.epoch}: loss {epoch.loss:.4f}, {epoch.seconds:.0f} s", file=sys.stderr, flush=True)
    return epoch.epoch < until


def _check_augmentation(feed: Feed) -> None:
    mean = [float(value) for value in feed.mean]
    verdict = judge_augmentation(PIPELINES[feed.augmentation](mean, **feed.probabilities), mean)
    if not verdict.ok:
        raise SystemExit(f"the augmentation breaks its rule: {verdict.why}")


def lines(measured: list[Measured]) -> Iterator[str]:
    """One line per training and one per row."""
    for one in measured:
        curve = " ".join("-" if e.val_accuracy is None else f"{100 * e.val_accuracy:.1f}" for e in one.curve)
        marks = ", ".join(
            f"{100 * mark:.0f} % at epoch {reached[0]} ({reached[1]:.0f} s)"
            for mark in MARKS
            if (reached := one.reached(mark))
        )
        yield (
            f"{one.row}, seed {one.seed}: {one.part} {100 * one.accuracy:.2f} % after {len(one.curve)} epochs, "
            f"{sum(e.seconds for e in one.curve):.0f} s ({one.processor_seconds:.0f} s of processor), "
            f"loss {one.curve[-1].loss:.3f} [{curve}] {marks}"
        )
    for name in dict.fromkeys(one.row for one in measured):
        found = [100 * one.accuracy for one in measured if one.row == name]
        if len(found) > 1:
            yield f"{name}: mean {statistics.fmean(found):.2f} ± {statistics.stdev(found):.2f} ({len(found)} seeds)"


def _plain(one: Measured) -> dict[str, Any]:
    curve = [vars(epoch) for epoch in one.curve]
    return {**vars(one), "curve": curve}


def main() -> None:
    """Train the requested rows and print them, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="default: all")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--until", type=int, help="stop after this epoch of the schedule")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--checkpoints", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    known = rows(options.epochs)
    chosen = options.rows or list(known)
    if unknown := set(chosen) - set(known):
        parser.error(f"no such row: {unknown.pop()}: choose from {', '.join(known)}")
    place = Path(options.data).expanduser()
    dataset = datasets.load(str(place) if place.exists() else options.data)
    until = options.until or options.epochs
    way = Way(
        epochs=options.epochs, until=until, threads=options.threads, test=options.test, folder=options.checkpoints
    )
    measured = []
    for name in chosen:
        for seed in options.seeds:
            one = measure(name, known[name], dataset, seed, way)
            measured.append(one)
            if not options.json:
                print(next(lines([one])), flush=True)
    if options.json:
        print(json.dumps({"rows": [_plain(one) for one in measured]}))
    else:
        print("\n".join(list(lines(measured))[len(measured) :]))


if __name__ == "__main__":
    main()
