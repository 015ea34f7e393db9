"""A search as Optuna's documentation writes one: suggest, prune what is infeasible, train, report, prune by the median.

Run one per process, as ``benchmarks.side_by_side`` does: ``python -m benchmarks.plain_optuna --storage JOURNAL``.
Space, rules, data, recipe and number of epochs are those of ``search.py launch``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import optuna
import torch
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from constraints.rules import ASSIGNMENT, parse_all
from constraints.verdicts import judge
from nas.architecture.model import build
from nas.space import space as spaces
from nas.space.analytic import metrics
from nas.training import datasets, recipes
from nas.training.feed import Feed
from nas.training.training_run import Epoch, train
from nas.user_folders import user_cache

NAME = "plain"


def suggest(trial: optuna.Trial, space: spaces.Space) -> dict[str, spaces.Choice]:
    """Suggest the choices of a network of the space."""
    choices: dict[str, spaces.Choice] = {}
    for name, distribution in space.distributions.items():
        if isinstance(distribution, IntDistribution):
            choices[name] = trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step)
        else:
            assert isinstance(distribution, CategoricalDistribution)
            choices[name] = trial.suggest_categorical(name, distribution.choices)  # type: ignore[assignment]
    return choices


def search(storage: str, source: str, *, seconds: float, seed: int, epochs: int) -> None:
    """Search for ``seconds``; several processes may share the storage."""
    dataset = datasets.load(source)
    feed = Feed(dataset=dataset, split=dataset.split(), folder=user_cache() / "epochs")
    space = spaces.load("assignment", input=dataset.image_shape, classes=len(dataset.classes))
    rules = parse_all(ASSIGNMENT)

    def objective(trial: optuna.Trial) -> float:
        network = space.decode(suggest(trial, space))
        if not all(verdict.ok for verdict in judge(rules, metrics(network, rules).as_dict())):
            raise optuna.TrialPruned

        def on_epoch(epoch: Epoch) -> bool:
            trial.report(epoch.val_accuracy or 0.0, epoch.epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
            return True

        torch.manual_seed(seed)
        recipe = recipes.default(epochs)
        result = train(build(network), feed, recipe=recipe, epochs=epochs, seed=seed, threads=1, on_epoch=on_epoch)
        return result.val_accuracy or 0.0

    study = optuna.create_study(
        study_name=NAME,
        storage=JournalStorage(JournalFileBackend(storage)),
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(),
        pruner=optuna.pruners.MedianPruner(),
    )
    study.optimize(objective, timeout=seconds)


def main() -> None:
    """Search, possibly as one of several processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storage", required=True, type=Path)
    parser.add_argument("--data", default="auto")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search(str(options.storage), options.data, seconds=options.seconds, seed=options.seed, epochs=options.epochs)


if __name__ == "__main__":
    main()
