"""Images trained a second, side by side with the plain loop of PyTorch's and Optuna's examples.

Run ``python -m benchmarks.training [--quick] [--json] [--data SOURCE]``. Both train one network of about 70,000
parameters on all cores, in turns. The plain loop: DataLoader with a worker a core, albumentations image by image,
contiguous float32, torch's own threads, SGD. Ours: the default recipe (Muon, moving average) from augmented epochs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from constraints.trace import trace
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.training import datasets, recipes
from nas.training.augmentation import PIPELINES
from nas.training.datasets import Split
from nas.training.feed import Feed
from nas.training.precision import autocast, resolve
from nas.training.train import train

NETWORK = "BR/c24-pw24-c32s2/+c32-+c32-c40s2/+c40d2-+dw.pw40-dws2-pw56/+dw.pw56-+dw.pw56-+dw.pw56/fc"
"""70,010 parameters, 9.7 M MACs; keeps the default constraints."""
BATCH = 128
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is trained: ``images`` an epoch, and how often each loop has its turn."""

    images: int
    repeats: int


class Images(Dataset[tuple[Any, int]]):
    """What a person writes first: an image at a time through albumentations, then to a tensor."""

    def __init__(self, feed: Feed) -> None:
        """The training images of a feed, read into memory."""
        import albumentations as A
        from albumentations.pytorch import ToTensorV2

        mean, std = feed.mean.tolist(), feed.std.tolist()
        self.images, self.labels = np.array(feed.dataset.train_images[feed.indices]), feed.labels
        self.pipeline = A.Compose([*PIPELINES["assignment"](mean).transforms, A.Normalize(mean, std), ToTensorV2()])

    def __len__(self) -> int:
        """Images."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """One augmented, normalised image and its class."""
        return self.pipeline(image=self.images[index])["image"], int(self.labels[index])


def plain_loop(feed: Feed) -> Callable[[], float]:
    """A function that trains an epoch of the plain loop and returns its images a second."""
    loader = DataLoader(
        Images(feed), BATCH, shuffle=True, num_workers=_cores(), persistent_workers=True, drop_last=True
    )
    model, criterion = build(parse(NETWORK)), nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def epoch() -> float:
        started = time.perf_counter()
        for images, labels in loader:
            optimiser.zero_grad()
            criterion(model(images), labels).backward()
            optimiser.step()
        return len(loader) * BATCH / (time.perf_counter() - started)

    return epoch


def ours(feed: Feed, threads: int, precision: str = "auto") -> float:
    """Images a second of one training of one epoch, the moving average included, the judging not."""
    recipe = replace(recipes.default(1), batch_size=BATCH, precision=precision)  # type: ignore[arg-type]
    result = train(build(parse(NETWORK)), feed, recipe=recipe, epochs=1, seed=0, threads=threads)
    return result.curve[0].images / result.seconds


def ours_one_a_core(feed: Feed, pool: ProcessPoolExecutor) -> float:
    """Images a second of as many trainings at once as there are cores, one thread each, as a search has them."""
    return sum(pool.map(ours, [feed] * _cores(), [1] * _cores()))


def making_per_second(feed: Feed) -> float:
    """Augmented images made in a second by one process."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = replace(feed, folder=Path(folder))
        started = time.perf_counter()
        fresh.epoch(0)
        return len(fresh.labels) / (time.perf_counter() - started)


def peak_flops(size: int = 1536) -> float:
    """Multiplications and additions a second of a large matrix product on all cores, in the precision of `auto`."""
    precision, left = resolve("auto", CPU), torch.randn(size, size)
    rates = []
    with torch.no_grad(), autocast(precision, CPU):
        for _ in range(8):
            started = time.perf_counter()
            left @ left
            rates.append(2 * size**3 / (time.perf_counter() - started))
    return max(rates)


def compare(feed: Feed, scale: Scale) -> dict[str, Any]:
    """Both loops in turns; ratios are medians over the turns, each of neighbours in time."""
    feed.epoch(0)
    epoch = plain_loop(feed)
    with ProcessPoolExecutor(_cores(), mp_context=get_context("spawn")) as pool:
        epoch(), ours(feed, _cores()), ours_one_a_core(feed, pool)  # libraries load, caches fill
        turns = [
            (epoch(), ours_one_a_core(feed, pool), ours(feed, _cores()), ours(feed, _cores(), "float32"))
            for _ in range(scale.repeats)
        ]
    plain, rate, alone, alone32 = (statistics.median(column) for column in zip(*turns, strict=True))
    ratios = [turn[1] / turn[0] for turn in turns]
    making = making_per_second(feed)
    cold = 1 / (1 / rate + 1 / (making * _cores()))  # all workers share the making
    macs = trace(build(parse(NETWORK)), (3, 32, 32)).metrics.macs
    return {
        "images_per_second": rate,
        "plain_images_per_second": plain,
        "ratio": statistics.median(ratios),
        "ratio_spread": [min(ratios), max(ratios)],
        "ratio_cold": cold / plain,
        "ratio_one_training": statistics.median(turn[2] / turn[0] for turn in turns),
        "ratio_one_training_float32": statistics.median(turn[3] / turn[0] for turn in turns),
        "images_per_second_one_training": alone,
        "images_per_second_one_training_float32": alone32,
        "augmented_per_second_and_core": making,
        "share_of_peak": 6 * macs * rate / peak_flops(),
        "precision": resolve("auto", CPU),
        "params": sum(p.numel() for p in build(parse(NETWORK)).parameters()),
        "macs": macs,
        "cores": _cores(),
        "turns": scale.repeats,
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within two minutes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", default="auto")
    options = parser.parse_args()
    scale = Scale(images=6400, repeats=2) if options.quick else Scale(images=25600, repeats=5)
    torch.set_num_threads(_cores())
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
