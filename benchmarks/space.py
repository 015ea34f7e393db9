"""Judging candidates by arithmetic against building and summarising them; both roads' figures compared.

Run ``python -m benchmarks.space [--quick] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
import torchinfo

from constraints.rules import ASSIGNMENT, parse_all
from constraints.trace import trace
from nas.architecture.model import build
from nas.space.space import PRESETS, load
from nas.space.uniform import draw
from nas.space.vector import Vector

REPEATS = 5


def analytic_per_second(vector: Vector, candidates: int) -> list[float]:
    """Candidates judged by the full default constraint set in a second of processor time on one core, each repeat."""
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
    """Candidates built and summarised in a second of processor time on one core."""
    rows = draw(vector, candidates + 1, np.random.default_rng(1))
    networks = [vector.space.decode(vector.space.choices(row)) for row in rows]
    _summarise(networks[0])
    started = time.process_time()
    for network in networks[1:]:
        _summarise(network)
    return candidates / (time.process_time() - started)


def _summarise(network: Any) -> int:
    return int(torchinfo.summary(build(network), (1, *network.input), verbose=0).total_params)


def disagreements(preset: str, candidates: int) -> int:
    """Random candidates of a preset in which the arithmetic and a trace of the built network differ in any figure."""
    vector = Vector(load(preset))
    rows = draw(vector, candidates, np.random.default_rng(2))
    found = vector.metrics(rows)
    wrong = 0
    for i, row in enumerate(rows):
        network = vector.space.decode(vector.space.choices(row))
        model = build(network)
        traced = trace(model, network.input).metrics.as_dict()
        counts = found["convs_per_stage"][i]
        ours = {name: np.asarray(values[i]).tolist() for name, values in found.items()}
        ours["convs_per_stage"] = [n for n in counts.tolist() if n >= 0]
        wrong += ours != traced or ours["params"] != _summarise(network)
    return wrong


def main() -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within five minutes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vector = Vector(load("assignment"))
    rates = analytic_per_second(vector, 200_000 if options.quick else 2_000_000)
    built = torchinfo_per_second(vector, 50 if options.quick else 500)
    analytic = float(np.median(rates))
    networks = 20 if options.quick else 10_000
    result = {
        "analytic_per_second": analytic,
        "analytic_per_second_spread": [min(rates), max(rates)],
        "torchinfo_per_second": built,
        "ratio": analytic / built,
        "compared": networks,
        "disagreements": {preset: disagreements(preset, networks) for preset in PRESETS},
    }
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28} {value:,.0f}" if isinstance(value, float) else f"{name:28} {value}")


if __name__ == "__main__":
    main()
