"""What every launch opens, whatever it trains: workers, the storage, the right to write the study, loggers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict, Unpack

from nas.loggers.trackers import Trackers
from nas.search.auto_precision import precisions
from nas.search.driver import Driver
from nas.search.engines import engine, machine_name
from nas.search.holding import hold, hold_folder
from nas.search.postgres_lease import LAPSE_SECONDS
from nas.search.storage import open_storage
from nas.search.study_folder import claim

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

    from nas.architecture.spec import Architecture
    from nas.config import LaunchConfig
    from nas.search.budget import Budget, Goal
    from nas.search.engine import Engine
    from nas.search.given_proposals import NetworkToTrain
    from nas.search.objectives import Objectives
    from nas.space.sampler import FeasibleSampler
    from nas.training.feed import Feed
    from nas.training.recipes import Recipe


class DriverTraining(TypedDict):
    """What a driver trains, and how: fields of ``Driver`` that are not of the place where it runs."""

    sampler: FeasibleSampler
    feed: Feed
    budget: Budget
    recipe: Recipe
    objectives: Objectives
    measure: NotRequired[Callable[[Architecture], Mapping[str, float]]]
    goal: NotRequired[Goal | None]
    network: NotRequired[NetworkToTrain]
    seeds: NotRequired[Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Workers and a storage, held for one launch."""

    config: LaunchConfig
    engine: Engine
    storage: BaseStorage
    check: Callable[[], None]
    """Called before anything is written: raises where another launch holds the study."""
    trackers: Trackers | None
    notes: list[str] = field(default_factory=list)
    """Messages for the user, a line each; they grow while the launch runs."""

    @classmethod
    def opened(
        cls, config: LaunchConfig, held: ExitStack, *, tasks: int | None = None, lapse: float = LAPSE_SECONDS
    ) -> Workplace:
        """Start the workers and hold the study, until ``held`` is closed.

        With few ``tasks``, each gets more cores; ``lapse`` is the lease's, in seconds. Raises UnusableInputError where
        a GPU or a cluster is missing, the storage cannot be opened, or another launch holds the study.
        """
        workers = engine(config, tasks)
        held.callback(workers.shutdown)
        storage = open_storage(config.storage, write=True)
        check = held.enter_context(hold(config.storage, config.study, storage=storage, lapse=lapse))
        notes = list[str]()
        trackers = Trackers(config.log, notes) if config.log else None
        return cls(config=config, engine=workers, storage=storage, check=check, trackers=trackers, notes=notes)

    def folder(self, study: optuna.Study, held: ExitStack) -> Path:
        """The study's own folder, held until ``held`` is closed."""
        folder = claim(self.config.storage, study)
        held.enter_context(hold_folder(folder, self.config.storage, self.config.study))
        return folder

    def driver(
        self, study: optuna.Study, folder: Path, observe: Callable[[Driver], None], **training: Unpack[DriverTraining]
    ) -> Driver:
        """The driver of a study at this place, which trains what ``training`` says."""
        return Driver(
            study=study,
            engine=self.engine,
            folder=folder,
            seed=self.config.seed,
            notes=self.notes,
            trackers=self.trackers,
            precisions=partial(precisions, study, self.engine, self.check),
            machine=machine_name(self.config),
            observe=observe,
            hold=self.check,
            **training,
        )
