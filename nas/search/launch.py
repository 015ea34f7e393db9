"""A launch: configuration -> data, space, study, workers and driver."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna

from constraints.rules import parse_all
from nas.config import DEFAULT_TARGET, LaunchConfig
from nas.loggers import choice
from nas.loggers.trackers import Trackers
from nas.search.budget import Budget, Summary
from nas.search.driver import Driver
from nas.search.holding import hold, hold_folder, one_line_errors
from nas.search.objectives import Objectives
from nas.search.postgres_lease import LAPSE_SECONDS
from nas.search.precisions import precisions
from nas.search.resources import engine, gpus, machine_name
from nas.search.storage import open_storage
from nas.search.study import DATA, SOURCE, TARGET, VALIDATION_IMAGES, create_or_resume
from nas.search.study_folder import claim
from nas.search.training_way import Training
from nas.space import space as spaces
from nas.space.feasible import FeasiblePart
from nas.space.proxy import FITTED
from nas.space.sampler import FeasibleSampler
from nas.training.data_advice import advice
from nas.training.datasets import Dataset
from nas.training.feed import Feed
from nas.user_cache import user_cache


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A launch that is ready to run."""

    study: optuna.Study
    driver: Driver
    dataset: Dataset
    lock: ExitStack
    """Keeps other launches off the study until it is closed."""
    advice: tuple[str, ...]
    """What a person should know of the data before anything trains, a line each."""


def check(config: LaunchConfig) -> None:
    """Raise UnusableInputError for what is wrong with a configuration whatever its data, before that is decoded."""
    spaces.load(config.space)
    choice.check(config.log)
    if config.engine == "local":
        gpus(config.device)


def prepare(
    config: LaunchConfig, dataset: Dataset, observe: Callable[[Driver], None], *, lapse: float = LAPSE_SECONDS
) -> Prepared:
    """Open everything that a search needs; every error comes before a worker starts.

    ``lapse`` is of the lease, in seconds.

    Raises UnusableInputError for a space in which nothing is feasible, a storage that cannot be opened, a study made
    with other data, space or constraints, one that another launch holds, a GPU that is not there.
    """
    dataset.split()  # where that leaves nothing to select by, no study is made
    space = spaces.load(config.space, input=dataset.image_shape, classes=len(dataset.classes))
    feasible = FeasiblePart(space, parse_all(config.constraints))
    objectives = Objectives.parse(config.objective)
    proxy = FITTED if config.guess else None
    sampler = FeasibleSampler(feasible, seed=config.seed, proxy=proxy, values=objectives.so_far)
    with ExitStack() as held, one_line_errors():
        workers = engine(config)
        held.callback(workers.shutdown)
        storage = open_storage(config.storage, write=True)
        check = held.enter_context(hold(config.storage, config.study, storage=storage, lapse=lapse))
        identity = _identity(config, dataset, space)
        notes = list[str]()
        trackers = Trackers(config.log, notes) if config.log else None
        study = create_or_resume(storage, config.study, identity, sampler, objectives.directions)
        folder = claim(config.storage, study)
        held.enter_context(hold_folder(folder, config.storage, config.study))
        way = Training.of(study, config.epochs)
        feed = search_feed(dataset, config.seed, way)
        notes.extend(way.notes(config.epochs))
        target = config.target or study.user_attrs.get(TARGET)
        doubts = advice(dataset, batch_size=way.recipe.batch_size, epochs=config.epochs, target=target)
        describe(study, config, dataset)
        study.set_user_attr(VALIDATION_IMAGES, len(feed.evaluation[1]))
        budget = _budget(config, study.user_attrs[TARGET])
        lock = held.pop_all()
    driver = Driver(
        study=study,
        sampler=sampler,
        engine=workers,
        feed=feed,
        budget=budget,
        folder=folder,
        seed=config.seed,
        recipe=way.recipe,
        notes=notes,
        objectives=objectives,
        trackers=trackers,
        precisions=partial(precisions, study, workers, check),
        machine=machine_name(config),
        observe=observe,
        hold=check,
    )
    return Prepared(study=study, driver=driver, dataset=dataset, lock=lock, advice=doubts)


def _budget(config: LaunchConfig, target: float) -> Budget:
    """The launch's limits; ``target`` is the study's, which its leaderboard shows."""
    return Budget(
        trials=config.trials,
        seconds=config.timeout,
        epochs=config.epochs,
        target=target if config.target or config.stop_at_target else None,
        stop_at_target=config.stop_at_target,
    )


def describe(study: optuna.Study, config: LaunchConfig, dataset: Dataset) -> None:
    """Keep in the study what its leaderboard shows; a target that an earlier launch asked for stays."""
    study.set_user_attr(TARGET, config.target or study.user_attrs.get(TARGET) or DEFAULT_TARGET)
    study.set_user_attr(SOURCE, _absolute(config.data))
    study.set_user_attr(DATA, dataset.name)


def run(prepared: Prepared) -> Summary:
    """Search until a budget is spent; UnusableInputError where the disk or the database became unavailable.

    What was stored until then is kept, and the next launch resumes from it.
    """
    with prepared.lock, one_line_errors():
        return prepared.driver.run()


def search_feed(dataset: Dataset, seed: int, way: Training) -> Feed:
    """What candidates train on: the training part of the split, evaluated on the validation part."""
    return Feed(dataset=dataset, split=dataset.split(), folder=user_cache() / "epochs", seed=seed, **way.of_feed())


def confirm_feed(dataset: Dataset, way: Training) -> Feed:
    """The whole training set, evaluated on the test set."""
    return Feed(dataset=dataset, split=None, folder=user_cache() / "epochs", **way.of_feed())


def _identity(config: LaunchConfig, dataset: Dataset, space: spaces.Space) -> dict[str, object]:
    found = training_identity(config, dataset)
    return {"data": found.pop("data"), "space": {"name": config.space, "hash": space.fingerprint}, **found}


def training_identity(config: LaunchConfig, dataset: Dataset) -> dict[str, object]:
    """What a study is made with whose networks are given: no space, which its first search adds."""
    return {
        "data": {"name": dataset.name, "hash": dataset.content_hash},
        "constraints": list(config.constraints),
        "seed": config.seed,
        "epochs": config.epochs,
        "objective": config.objective,
        **Training.default(config.epochs).as_table(),
    }


def _absolute(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).exists() else source
