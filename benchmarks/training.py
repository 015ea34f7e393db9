"""Compares trained images per second with those of the plain loop in PyTorch's and Optuna's examples.

Run ``python -m benchmarks.training [--quick] [--json] [--data SOURCE]``. Both train one network of about 70,000
parameters on all cores, in turns. The plain loop: DataLoader with one worker per core, albumentations image by image,
contiguous float32, torch's own threads, SGD. Ours: the default recipe (Muon, moving average) from augmented epochs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from constraints.tracer import trace
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.training import datasets, recipes
from nas.training.augmentation import PIPELINES
from nas.training.feed import Feed
from nas.training.precision import autocast, resolve
from nas.training.recipes import Setting
from nas.training.splits import Split
from nas.training.training_run import train

NETWORK = "BR/c24-pw24-c32s2/+c32-+c32-c40s2/+c40d2-+dw.pw40-dws2-pw56/+dw.pw56-+dw.pw56-+dw.pw56/fc"
"""70,010 parameters, 9.7 M MACs; keeps the default constraints."""
BATCH = 128
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is trained: ``images`` per epoch, the number of turns of each loop, and the number of cores."""

    images: int
    repeats: int
    cores: int


class Images(Dataset[tuple[Any, int]]):
    """The usual data set: albumentations on one image at a time, then conversion to a tensor."""

    def __init__(self, feed: Feed) -> None:
        """The training images of a feed, read into memory."""
        import albumentations as A
        from albumentations.pytorch import ToTensorV2

        mean, std = feed.mean.tolist(), feed.std.tolist()
        self.images, self.labels = np.array(feed.dataset.train_images[feed.indices]), feed.labels
        self.pipeline = A.Compose([*PIPELINES["assignment"](mean).transforms, A.Normalize(mean, std), ToTensorV2()])

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """One augmented, normalised image and its class."""
        return self.pipeline(image=self.images[index])["image"], int(self.labels[index])


class Speed(NamedTuple):
    """Images per wall second, and per second of processor time over all processes and threads."""

    clock: float
    processor: float


def plain_loop(feed: Feed, cores: int) -> Callable[[], Speed]:
    """A function that trains an epoch of the plain loop."""
    loader = DataLoader(Images(feed), BATCH, shuffle=True, num_workers=cores, drop_last=True)
    model, criterion = build(parse(NETWORK)), nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def epoch() -> Speed:
        started, busy = time.perf_counter(), _processor_seconds()
        torch.set_num_threads(cores)
        for images, labels in loader:
            optimiser.zero_grad()
            criterion(model(images), labels).backward()
            optimiser.step()
        count = len(loader) * BATCH
        return Speed(count / (time.perf_counter() - started), count / (_processor_seconds() - busy))

    return epoch


def _processor_seconds() -> float:
    """Those of this process and of its ended children, such as the loader's workers after an epoch."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def ours(feed: Feed, threads: int, precision: Setting = "auto") -> Speed:
    """One training of one epoch, including the moving average."""
    recipe = replace(recipes.default(1), batch_size=BATCH, precision=precision)
    busy = time.process_time()
    result = train(build(parse(NETWORK)), feed, recipe=recipe, epochs=1, seed=0, threads=threads)
    count = result.curve[0].images
    return Speed(count / result.seconds, count / (time.process_time() - busy))


def ours_one_a_core(feed: Feed, cores: int, pool: ProcessPoolExecutor) -> Speed:
    """One training per core at the same time, with one thread each, as in a search."""
    speeds = list(pool.map(ours, [feed] * cores, [1] * cores))
    return Speed(sum(speed.clock for speed in speeds), statistics.fmean(speed.processor for speed in speeds))


def making_per_second(feed: Feed) -> float:
    """Augmented images per second that one process makes."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = replace(feed, folder=Path(folder))
        started = time.perf_counter()
        fresh.epoch(0)
        return len(fresh.labels) / (time.perf_counter() - started)


def peak_flops(size: int = 1536) -> float:
    """Multiplications and additions per second of a large matrix product on all cores, in the precision of ``auto``."""
    precision, left = resolve("auto", CPU), torch.randn(size, size)
    rates = []
    with torch.no_grad(), autocast(precision, CPU):
        for _ in range(8):
            started = time.perf_counter()
            left @ left
            rates.append(2 * size**3 / (time.perf_counter() - started))
    return max(rates)


def compare(feed: Feed, scale: Scale) -> dict[str, Any]:
    """Run the loops in turns; a ratio is the median over the turns, each between neighbours in time."""
    feed.epoch(0)
    with ProcessPoolExecutor(scale.cores, mp_context=get_context("spawn")) as pool:
        loops: dict[str, Callable[[], Speed]] = {
            "plain": plain_loop(feed, scale.cores),
            "one a core": lambda: ours_one_a_core(feed, scale.cores, pool),
            "one training": lambda: ours(feed, scale.cores),
            "one training float32": lambda: ours(feed, scale.cores, "float32"),
        }
        for name, loop in loops.items():  # libraries load, caches fill
            _tell(f"warming up: {name}: {loop().clock:,.0f} images/s")
        turns = []
        for turn in range(scale.repeats):
            turns.append({name: loop() for name, loop in loops.items()})
            _tell(f"turn {turn + 1}: " + ", ".join(f"{name} {speed.clock:,.0f}" for name, speed in turns[-1].items()))
    return _summary(turns, making_per_second(feed), scale)


def _summary(turns: list[dict[str, Speed]], making: float, scale: Scale) -> dict[str, Any]:
    rate = {name: statistics.median(turn[name].clock for turn in turns) for name in turns[0]}
    work = {name: statistics.median(turn[name].processor for turn in turns) for name in turns[0]}
    ratios = {name: [turn[name].clock / turn["plain"].clock for turn in turns] for name in turns[0]}
    cold = 1 / (1 / rate["one a core"] + 1 / (making * scale.cores))  # all workers share the making
    model = build(parse(NETWORK))
    macs = trace(model, (3, 32, 32)).metrics.macs
    return {
        "images_per_second": rate["one a core"],
        "plain_images_per_second": rate["plain"],
        "ratio": statistics.median(ratios["one a core"]),
        "ratio_spread": [min(ratios["one a core"]), max(ratios["one a core"])],
        "ratio_cold": cold / rate["plain"],
        "share_of_peak": 6 * macs * rate["one a core"] / peak_flops(),
        "images_per_second_one_training": rate["one training"],
        "ratio_one_training": statistics.median(ratios["one training"]),
        "images_per_second_one_training_float32": rate["one training float32"],
        "images_per_processor_second": work["one a core"],
        "plain_images_per_processor_second": work["plain"],
        "ratio_processor": work["one a core"] / work["plain"],
        "float32_images_per_processor_second": work["one training float32"],
        "augmented_per_second_and_core": making,
        "precision": resolve("auto", CPU),
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "macs": macs,
        "cores": scale.cores,
        "turns": len(turns),
    }


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within two minutes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", default="auto")
    parser.add_argument("--cores", type=int, help="threads and loader workers; default: all")
    options = parser.parse_args()
    images, repeats = (3840, 2) if options.quick else (25600, 5)
    scale = Scale(images=images, repeats=repeats, cores=options.cores or _cores())
    torch.set_num_threads(scale.cores)
    dataset = datasets.load(options.data)
    some = Split(
        train=np.arange(len(dataset.train_labels))[:: len(dataset.train_labels) // scale.images or 1][: scale.images],
        validation=np.arange(BATCH),
    )
    with tempfile.TemporaryDirectory() as folder:
        result = compare(Feed(dataset=dataset, split=some, folder=Path(folder)), scale)
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:42} {value:,.2f}" if isinstance(value, float) else f"{name:42} {value}")


if __name__ == "__main__":
    main()
