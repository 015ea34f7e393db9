"""Measures how well zero-cost proxies rank candidates by their accuracy after training; fits the weights of ours.

Run ``python -m benchmarks.prior [--task NAME] [--proxies] [--train N] [--quick] [--json]``. The candidates are those
of ``benchmarks/tables/NAME.csv``. The fitted proxy is evaluated on each with weights that were fitted to all others,
and on another task than CIFAR-10 also as it ships, fitted to CIFAR-10.
``--proxies`` adds published proxies, which build each network and look at it once: gradient norm, SynFlow (Tanaka et
al., 2020) and NASWOT (Mellor et al., 2021). ``--train`` trains the first N networks of a search, which the shipped
proxy chooses and never saw, as those of the table were trained.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import torch
from torch import nn

from benchmarks.curves import Curve, measure, read
from benchmarks.rungs import rank_correlation
from benchmarks.tasks import TASKS, feed
from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.space import space as spaces
from nas.space.best_draws import best_first
from nas.space.feasible import FeasiblePart
from nas.space.new_networks import PROXY_DRAWS
from nas.space.proxy import FITTED, PRICE
from nas.space.proxy_features import ProxyFeatures
from nas.space.sampler import FeasibleSampler
from nas.training.evaluation import normaliser

Array = npt.NDArray[np.float64]
STRENGTH = 3.0
"""Strength of the ridge penalty, on standardised features."""
BATCH = 64
SHIPPED = "cifar10"
"""The task whose table the shipped proxy was fitted to."""


def table(curves: Sequence[Curve]) -> tuple[list[str], Array, Array]:
    """Names of the features, their values (n, features), accuracies (n,)."""
    found = _features(curves).accuracy
    accuracies = np.array([curve.accuracies[-1] for curve in curves])
    return list(found), np.column_stack(list(found.values())), accuracies


def costs(curves: Sequence[Curve]) -> tuple[list[str], Array, Array]:
    """Kinds of work, millions of multiply-accumulates of each (n, kinds), processor seconds of the training (n,)."""
    found = _features(curves).work
    return list(found), np.column_stack(list(found.values())), np.array([c.seconds for c in curves])


def _features(curves: Sequence[Curve]) -> ProxyFeatures:
    return ProxyFeatures.of([parse(curve.architecture) for curve in curves])


def accuracy_unseen(curves: Sequence[Curve]) -> Array:
    """The predicted accuracy of each candidate by a fit to all others."""
    _, values, accuracies = table(curves)
    return _unseen(_accuracy_model(), values, accuracies)


def seconds_unseen(curves: Sequence[Curve]) -> Array:
    """The predicted time of each candidate by a fit to all others."""
    _, values, seconds = costs(curves)
    return _unseen(_time_model(), values, seconds)


def _unseen(model: Any, values: Array, figures: Array) -> Array:
    """What ``model`` predicts for each row by a fit to all others."""
    from sklearn.model_selection import LeaveOneOut, cross_val_predict  # which takes seconds to load

    predicted: Array = cross_val_predict(model, values, figures, cv=LeaveOneOut())
    return predicted


def worth_unseen(curves: Sequence[Curve]) -> Array:
    """The proxy of each candidate by a fit to all others."""
    worth: Array = accuracy_unseen(curves) - PRICE * np.log2(seconds_unseen(curves))
    return worth


def weights(curves: Sequence[Curve]) -> dict[str, dict[str, float]]:
    """The weights of each feature (not standardised), in accuracy, and of each kind of work, in seconds."""
    names, values, accuracies = table(curves)
    fitted = _accuracy_model().fit(values, accuracies)
    kinds, amounts, seconds = costs(curves)
    found = {
        "weights": (names, fitted[1].coef_ / fitted[0].scale_),
        "seconds": (kinds, _time_model().fit(amounts, seconds).coef_),
    }
    return {what: dict(zip(keys, np.round(w, 5).tolist(), strict=True)) for what, (keys, w) in found.items()}


def _accuracy_model() -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge(alpha=STRENGTH))


def _time_model() -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression(positive=True, fit_intercept=False)


def gradient_norm(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Norm of the loss's gradient at initialisation."""
    nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
    return float(sum(p.grad.square().sum() for p in model.parameters() if p.grad is not None) ** 0.5)


def synflow(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Logarithm of the sum of weight times gradient over all weights, made positive, for an image of ones."""
    model.eval().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
    model(torch.ones_like(images[:1]).double()).sum().backward()
    with torch.no_grad():
        total = sum((p * p.grad).abs().sum() for p in model.parameters() if p.grad is not None)
    return float(torch.log(torch.as_tensor(total)))


def naswot(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Log determinant of the matrix that counts activations with equal signs for each pair of images."""
    codes = []
    kinds = (nn.ReLU, nn.SiLU, nn.GELU, nn.Hardswish)
    handles = [
        module.register_forward_hook(lambda _, inputs, __: codes.append((inputs[0] > 0).flatten(1).double()))
        for module in model.modules()
        if isinstance(module, kinds)
    ]
    with torch.no_grad():
        model(images)
    for handle in handles:
        handle.remove()
    kernel = sum((c @ c.T + (1 - c) @ (1 - c).T for c in codes), torch.zeros(len(images), len(images)).double())
    return float(torch.linalg.slogdet(kernel).logabsdet)


PROXIES: Mapping[str, Callable[[nn.Module, torch.Tensor, torch.Tensor], float]] = {
    "gradient norm": gradient_norm,
    "SynFlow": synflow,
    "NASWOT": naswot,
}


def proxies(curves: Sequence[Curve], source: str, task: str = SHIPPED) -> dict[str, Array]:
    """Each proxy of each candidate, by the first BATCH images of the table's training part."""
    data = feed(task, source)
    normalise = normaliser(data.mean, data.std, torch.device("cpu"))
    chosen = data.indices[:BATCH]
    images = normalise(torch.from_numpy(np.array(data.dataset.train_images[chosen])))
    labels = torch.from_numpy(data.dataset.train_labels[chosen])
    found: dict[str, list[float]] = {name: [] for name in PROXIES}
    for curve in curves:
        for name, proxy in PROXIES.items():
            torch.manual_seed(0)
            found[name].append(proxy(build(parse(curve.architecture)), images, labels))
    return {name: np.array(values) for name, values in found.items()}


def chosen(count: int) -> list[str]:
    """The first networks of a search."""
    feasible = FeasiblePart(spaces.load("assignment", input=(3, 32, 32), classes=10), parse_all(ASSIGNMENT))
    study = optuna.create_study(direction="maximize", sampler=FeasibleSampler(feasible, proxy=FITTED))
    several = [study.ask(dict(feasible.space.distributions)) for _ in range(count)]
    return [str(feasible.space.decode(trial.params)) for trial in several]


def searched(seeds: int = 3) -> list[tuple[float, float]]:
    """The proxy of the best of PROXY_DRAWS networks, and after a local search from it, averaged over seeds."""
    feasible = FeasiblePart(spaces.load("assignment", input=(3, 32, 32), classes=10), parse_all(ASSIGNMENT))
    found = []
    for seed in range(seeds):
        rows = list(feasible.sample_rows(PROXY_DRAWS, np.random.default_rng(seed)))
        best = [next(best_first(feasible, rows, FITTED, (), climbs=climbs))[1] for climbs in (False, True)]
        drawn, climbed = (FITTED(network) for network in best)
        found.append((drawn, climbed))
    return found


def main() -> None:
    """Print rank correlations, best first, and the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default=SHIPPED, choices=TASKS)
    parser.add_argument("--proxies", action="store_true")
    parser.add_argument("--train", type=int, default=0, metavar="N")
    parser.add_argument("--data", default="auto")
    parser.add_argument("--quick", action="store_true", help="changes nothing: seconds without the other flags")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    curves = read(options.task)
    names, values, accuracies = table(curves)
    ranking = {"the proxy, unseen": accuracy_unseen(curves), **dict(zip(names, values.T, strict=True))}
    if options.task != SHIPPED:
        ranking["the proxy as it ships"] = replace(FITTED, price=0.0).of(_features(curves))
    if options.proxies:
        ranking |= proxies(curves, options.data, options.task)
    ranked = {name: rank_correlation(scores, accuracies) for name, scores in ranking.items()}
    trained = [measure(text, options.data) for text in chosen(options.train)]
    climbs = searched() if options.task == SHIPPED else []
    found = {
        "candidates": len(curves),
        "rank_correlation": ranked,
        "rank_correlation_of_seconds": rank_correlation(seconds_unseen(curves), [c.seconds for c in curves]),
        "accuracy": {"mean": float(accuracies.mean()), "most": float(accuracies.max())},
        "trained": [asdict(curve) for curve in trained],
        "best_drawn_and_searched": climbs,
        **weights(curves),
    }
    if options.json:
        print(json.dumps(found))
        return
    print(f"rank correlation with the accuracy of {len(curves)} candidates")
    for name, value in sorted(ranked.items(), key=lambda item: -abs(item[1])):
        print(f"{name:>24} {value:6.3f}")
    print(f"that of the predicted seconds with the measured ones, unseen: {found['rank_correlation_of_seconds']:.3f}")
    print(f"accuracy of them: {100 * accuracies.mean():.2f} % on average, {100 * accuracies.max():.2f} % at most")
    for drawn, climbed in climbs:
        print(f"proxy of the best of {PROXY_DRAWS:,} draws: {drawn:.4f}, after the local search: {climbed:.4f}")
    for curve in trained:
        print(f"chosen by the proxy: {100 * curve.accuracies[-1]:.2f} % in {curve.seconds:.0f} s: {curve.architecture}")
    print(f"weights: {found['weights']}")
    print(f"seconds: {found['seconds']}")


if __name__ == "__main__":
    main()
