"""A study's identity (a launch with another one is refused), and the description that its leaderboard shows."""

from __future__ import annotations

import optuna

from nas.config import DEFAULT_TARGET, LaunchConfig
from nas.latency.predictor import Predictor
from nas.search.halving import first_rung
from nas.search.measures import fingerprint
from nas.search.provenance import keep_launch
from nas.search.study import DATA, SOURCE, TARGET
from nas.search.training_way import Training
from nas.space.space import Space
from nas.space.study_space import as_stored
from nas.training.datasets import NAMES
from nas.training.decoded import Dataset
from nas.user_folders import expanded


def search_identity(
    config: LaunchConfig, dataset: Dataset, space: Space, asked: Training, *, objective: str, latency: Predictor | None
) -> dict[str, object]:
    """The identity of a study that is made by a search."""
    found = training_identity(config, dataset, asked, objective=objective, latency=latency)
    return {"data": found.pop("data"), "space": as_stored(config.space, space), **found}


def training_identity(
    config: LaunchConfig, dataset: Dataset, asked: Training, *, objective: str, latency: Predictor | None = None
) -> dict[str, object]:
    """The identity of a study made for given networks, without a space; its first search adds one."""
    return {
        "data": {"name": dataset.name, "hash": dataset.content_hash},
        "constraints": config.rules,
        "seed": config.seed,
        "epochs": config.epochs,
        "objective": objective,
        "first_rung": first_rung(config.epochs),
        **({} if config.metrics is None else {"metrics": fingerprint(config.metrics)}),
        **({} if latency is None else {"latency": latency.identity}),
        **asked.as_table(),
    }


def describe(study: optuna.Study, config: LaunchConfig, dataset: Dataset) -> None:
    """Store what the leaderboard and the report show; without a new target, an earlier launch's is kept."""
    study.set_user_attr(TARGET, config.target or study.user_attrs.get(TARGET) or DEFAULT_TARGET)
    study.set_user_attr(SOURCE, _absolute(config.data))
    study.set_user_attr(DATA, dataset.name)
    keep_launch(study, config)


def _absolute(source: str) -> str:
    """A path as it is from any folder; the name of a data set as it is, also where a folder has that name."""
    return source if source in NAMES else str(expanded(source).resolve())
