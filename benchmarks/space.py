"""Compares judging candidates by arithmetic with building and summarising them, in speed and in metrics.

Run ``python -m benchmarks.space [--quick] [--compare N] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import numpy as np
import torch
import torchinfo
from torch import nn

from constraints.rules import ASSIGNMENT, parse_all
from constraints.tracer import trace
from nas.architecture.model import build
from nas.architecture.spec import Architecture
from nas.space.bulk_metrics import Vector
from nas.space.counting.exact_count import count
from nas.space.space import PRESETS, load
from nas.space.uniform_draws import draw, draw_feasible

REPEATS = 5
DRAWS = 200_000
COUNTED = {"default": [], "with macs < 10M": ["macs < 10M"]}


def analytic_per_second(vector: Vector, candidates: int) -> list[float]:
    """Candidates judged by all default constraints per second of processor time on one core, one value per repeat."""
    constraints = parse_all(ASSIGNMENT)
    rows = draw(vector, candidates, np.random.default_rng(0))
    vector.feasible(rows[:10], constraints)
    rates = []
    for _ in range(REPEATS):
        started = time.process_time()
        vector.feasible(rows, constraints)
        rates.append(candidates / (time.process_time() - started))
    return rates


def torchinfo_per_second(vector: Vector, candidates: int) -> float:
    """Candidates built and summarised per second of processor time on one core."""
    rows = draw(vector, candidates + 1, np.random.default_rng(1))
    networks = [vector.space.decode(vector.space.choices(row)) for row in rows]
    _summarise(networks[0])
    started = time.process_time()
    for network in networks[1:]:
        _summarise(network)
    return candidates / (time.process_time() - started)


def _summarise(network: Architecture) -> int:
    return _params(build(network), network)


def _params(model: nn.Module, network: Architecture) -> int:
    return int(torchinfo.summary(model, (1, *network.input), verbose=0).total_params)


def draws_per_second(vector: Vector, expressions: Sequence[str], draws: int) -> float:
    """Feasible networks drawn uniformly per second of processor time on one core."""
    constraints = parse_all(expressions)
    draw_feasible(vector, constraints, 100, np.random.default_rng(0), tries=10**7)
    started = time.process_time()
    draw_feasible(vector, constraints, draws, np.random.default_rng(3), tries=10**9)
    return draws / (time.process_time() - started)


def counting_seconds(vector: Vector, more: Sequence[str]) -> float:
    """Processor time of counting exactly the networks that keep the default constraints and ``more``."""
    started = time.process_time()
    if count(vector, parse_all([*ASSIGNMENT, *more])) is None:
        raise RuntimeError(f"not counted: {more}")
    return time.process_time() - started


def disagreements(preset: str, candidates: int, seed: int = 2) -> int:
    """Random candidates of a preset for which arithmetic and a trace of the built network differ in any metric.

    Parameters are compared with torchinfo's count too.
    """
    vector = Vector(load(preset))
    rows = draw(vector, candidates, np.random.default_rng(seed))
    found = vector.metrics(rows)
    wrong = 0
    for i, row in enumerate(rows):
        network = vector.space.decode(vector.space.choices(row))
        model = build(network)
        traced = trace(model, network.input).metrics.as_dict()
        ours = {name: np.asarray(values[i]).tolist() for name, values in found.items()}
        ours["convs_per_stage"] = [n for n in ours["convs_per_stage"] if n >= 0]
        wrong += ours != traced or ours["params"] != _params(model, network)
    return wrong


def main() -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within five minutes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--compare", type=int, help="networks of each preset on both roads (10,000; quick: 20)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vector = Vector(load("assignment"))
    rates = analytic_per_second(vector, 2_000_000)
    built = torchinfo_per_second(vector, 50 if options.quick else 500)
    analytic = float(np.median(rates))
    networks = options.compare if options.compare is not None else 20 if options.quick else 10_000
    narrow = [*ASSIGNMENT, "params > 150k", "macs < 10M"]
    different = {preset: disagreements(preset, networks) for preset in PRESETS if networks}
    result = {
        "analytic_per_second": analytic,
        "analytic_per_second_spread": [min(rates), max(rates)],
        "torchinfo_per_second": built,
        "ratio": analytic / built,
        "draws_per_second": {preset: draws_per_second(Vector(load(preset)), ASSIGNMENT, DRAWS) for preset in PRESETS},
        "narrow_draws_per_second": draws_per_second(vector, narrow, DRAWS),
        "counting_seconds": {name: counting_seconds(vector, more) for name, more in COUNTED.items()},
        "compared": networks,
        "disagreements": different,
        "differing": sum(different.values()),
    }
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28} {value:,.0f}" if isinstance(value, float) else f"{name:28} {value}")


if __name__ == "__main__":
    main()
