"""Compares Optuna's samplers alone with ours around them: wasted and repeated proposals, and the best value found.

The objective is a formula in place of an accuracy: log10(params) - 0.2 |log2(receptive field / 60)| + 0.05
(depthwise-separable convolutions) - 0.02 log10(macs), which favours large networks near the limit. Run ``python -m
benchmarks.sampling``; with ``--overhead`` it measures instead what our sampler adds to a proposal of its base after
5,000 trials.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, create_trial

from constraints.metrics import Metrics
from constraints.rules import ASSIGNMENT, parse_all
from nas.space.attributes import ARCHITECTURE
from nas.space.feasible import FeasiblePart, Judged
from nas.space.feasible_tpe import tpe
from nas.space.sampler import FeasibleSampler
from nas.space.space import PRESETS, Encoded, load

Factory = Callable[[int], BaseSampler]

NAIVE: dict[str, Factory] = {
    "tpe": lambda seed: TPESampler(seed=seed, multivariate=True),
    "nsgaii": lambda seed: NSGAIISampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}


def objective(figures: Metrics) -> float:
    """The formula described above; greater is better."""
    field = abs(math.log2((figures.receptive_field or 1) / 60))
    return (
        math.log10(figures.params)
        - 0.2 * field
        + 0.05 * figures.depthwise_separable_convs
        - 0.02 * math.log10(figures.macs)
    )


def run(feasible: FeasiblePart, sampler: BaseSampler, proposals: int) -> tuple[list[Judged], list[float]]:
    """Ask and tell; returns the proposals, and the best value so far of those that keep every constraint."""
    study = optuna.create_study(direction="maximize", sampler=sampler)
    judged, best = [], [-math.inf]
    for _ in range(proposals):
        trial = study.ask(feasible.space.distributions)
        one = feasible.judge(trial.params)
        trial.set_user_attr(ARCHITECTURE, str(one.architecture))
        trial.set_constraint("broken", float(len(one.broken)))
        value = objective(one.metrics)
        study.tell(trial, value)
        judged.append(one)
        best.append(max(best[-1], value) if not one.broken else best[-1])
    return judged, best


def shares(judged: list[Judged]) -> tuple[float, float]:
    """Shares of infeasible and of repeated proposals."""
    texts = [str(j.architecture) for j in judged]
    return sum(bool(j.broken) for j in judged) / len(judged), 1 - len(set(texts)) / len(texts)


def ours(feasible: FeasiblePart, base: Factory) -> Callable[[int], BaseSampler]:
    """Our sampler around a base sampler."""
    return lambda seed: FeasibleSampler(feasible, seed=seed, base=base)


def measure(proposals: int, evaluations: int, seeds: int) -> dict[str, Any]:
    """Every figure; ``wasted_share`` and ``repeated_share`` by sampler are for the default space."""
    constraints = tuple(parse_all(ASSIGNMENT))
    by_preset: dict[str, Any] = {}
    for preset in PRESETS:
        feasible = FeasiblePart(load(preset), constraints)
        samplers = dict(NAIVE)
        samplers |= {f"feasible-{n}": ours(feasible, tpe if n == "tpe" else base) for n, base in NAIVE.items()}
        found = {name: shares(run(feasible, make(0), proposals)[0]) for name, make in samplers.items()}
        by_preset[preset] = {
            "wasted_share": {name: wasted for name, (wasted, _) in found.items()},
            "repeated_share": {name: repeated for name, (_, repeated) in found.items()},
        }
    most = {
        share: max(v for found in by_preset.values() for name, v in found[share].items() if name not in NAIVE)
        for share in ("wasted_share", "repeated_share")
    }
    feasible = FeasiblePart(load("assignment"), constraints)
    best = {
        name: [run(feasible, make(seed), evaluations)[1][-1] for seed in range(seeds)]
        for name, make in {"tpe": NAIVE["tpe"], "feasible-tpe": ours(feasible, tpe)}.items()
    }
    return {
        **by_preset["assignment"],
        "presets": by_preset,
        "most_within_ours": most,
        "naive_feasible_share": {p: 1 - r["wasted_share"]["random"] for p, r in by_preset.items()},
        "best": {n: {"mean": statistics.fmean(v), "std": statistics.stdev(v)} for n, v in best.items()},
        "proposals": proposals,
        "evaluations": evaluations,
        "seeds": seeds,
    }


def overhead(trials: int, proposals: int) -> dict[str, dict[str, float]]:
    """Processor milliseconds of one proposal in a study of ``trials`` trials: base, ours around it, the difference.

    Medians; base and ours take turns, so that other work on the machine affects both.
    """
    feasible = FeasiblePart(load("assignment"), parse_all(ASSIGNMENT))
    history = [_finished(feasible, row) for row in feasible.sample_rows(trials, np.random.default_rng(0))]
    result = {}
    for name, naive in NAIVE.items():
        base = _liar if name == "tpe" else naive
        studies = [optuna.create_study(direction="maximize", sampler=base(0))]
        studies.append(
            optuna.create_study(direction="maximize", sampler=ours(feasible, tpe if name == "tpe" else base)(0))
        )
        for study in studies:
            study.add_trials(history)
            _proposal_seconds(feasible, study)  # the first one reads every trial
        times = [[_proposal_seconds(feasible, study) for study in studies] for _ in range(proposals)]
        before, after = (1e3 * statistics.median(several) for several in zip(*times, strict=True))
        result[name] = {"base_ms": before, "ours_ms": after, "added_ms": after - before}
    return result


def _liar(seed: int) -> BaseSampler:
    """TPE with the settings that our sampler gives it."""
    return TPESampler(seed=seed, multivariate=True, constant_liar=True)


def _finished(feasible: FeasiblePart, row: Encoded) -> FrozenTrial:
    choices = feasible.space.choices(row)
    judged = feasible.judge(choices)
    return create_trial(
        params=choices,
        distributions=feasible.space.distributions,
        value=objective(judged.metrics),
        user_attrs={ARCHITECTURE: str(judged.architecture)},
    )


def _proposal_seconds(feasible: FeasiblePart, study: optuna.Study) -> float:
    started = time.process_time()
    trial = study.ask(feasible.space.distributions)
    seconds = time.process_time() - started
    judged = feasible.judge(trial.params)
    trial.set_user_attr(ARCHITECTURE, str(judged.architecture))
    study.tell(trial, objective(judged.metrics))
    return seconds


def main() -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within five minutes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--overhead", action="store_true", help="only what a proposal costs after 5,000 trials")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if options.overhead:
        costs = overhead(5_000, 20 if options.quick else 100)
        for name, cost in {} if options.json else costs.items():
            line = ", ".join(f"{key.removesuffix('_ms')} {ms:.1f} ms" for key, ms in cost.items())
            print(f"a proposal after 5,000 trials: {name:8} {line}")
        if options.json:
            print(json.dumps({"overhead": costs}))
        return
    result = measure(*((60, 30, 3) if options.quick else (1_000, 100, 20)))
    if options.json:
        print(json.dumps(result))
        return
    for preset, found in result["presets"].items():
        for name, wasted in found["wasted_share"].items():
            print(f"{preset:12} {name:18} wasted {wasted:6.1%}  repeated {found['repeated_share'][name]:6.1%}")
    for name, best in result["best"].items():
        print(f"best after {result['evaluations']} evaluations: {name:14} {best['mean']:.4f} ± {best['std']:.4f}")


if __name__ == "__main__":
    main()
