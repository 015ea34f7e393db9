"""Measures how much more N workers on N cores train than one worker on one core.

Run ``python -m benchmarks.workers [--workers 2] [--turns 3] [--data SOURCE] [--quick] [--json]``. Every worker trains
the same network for one epoch of 10,000 images, from augmented epochs that exist already; turns of one worker and of N
workers alternate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.curves import IMAGES, read
from benchmarks.tasks import feed
from nas.search.engine import Engine, Placement
from nas.search.local_engine import LocalEngine
from nas.search.worker import Task, train_candidate


def images_per_second(engine: Engine, source: str, folder: Path) -> float:
    """Images per second of all workers together, each of which trains the same network."""
    network, data = read()[0].architecture, feed("cifar10", source)
    tasks = [
        Task(architecture=network, feed=data, epochs=1, until=1, seed=0, folder=folder / str(number))
        for number in range(engine.slots)
    ]
    started = time.perf_counter()
    futures = [engine.submit(train_candidate, task) for task in tasks]
    for future in futures:
        if reason := future.result().reason:
            raise SystemExit(reason)
    return IMAGES * len(tasks) / (time.perf_counter() - started)


def turn(workers: int, source: str) -> float:
    """Images per second of ``workers``, with one thread each, after they have loaded what they need."""
    engine = LocalEngine([Placement(device="cpu", threads=1)] * workers)
    try:
        with tempfile.TemporaryDirectory() as warm, tempfile.TemporaryDirectory() as folder:
            images_per_second(engine, source, Path(warm))
            return images_per_second(engine, source, Path(folder))
    finally:
        engine.shutdown()


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one turn")
    parser.add_argument("--data", default="auto")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    alone, together = [], []
    turns = 1 if options.quick else options.turns
    for _ in range(turns):
        alone.append(turn(1, options.data))
        together.append(turn(options.workers, options.data))
    ratios = [several / one for one, several in zip(alone, together, strict=True)]
    if options.json:
        rates = {"1": statistics.median(alone), str(options.workers): statistics.median(together)}
        spread = [min(ratios), max(ratios)]
        print(json.dumps({"images_per_second": rates, "ratio": statistics.median(ratios), "ratio_spread": spread}))
        return
    print(f"1 worker: {statistics.median(alone):,.0f} images/s")
    print(f"{options.workers} workers: {statistics.median(together):,.0f} images/s")
    print(f"ratio: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}, {turns} turns)")


if __name__ == "__main__":
    main()
