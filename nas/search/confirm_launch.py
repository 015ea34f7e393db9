"""A confirmation: configuration -> workers, lock and trainings of a study's trials."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from constraints.errors import UnusableInputError
from nas.search import teachers
from nas.search.auto_precision import precisions
from nas.search.confirmation import Confirmation
from nas.search.engines import engine
from nas.search.feeds import confirm_feed
from nas.search.given_module import handed_again
from nas.search.given_proposals import networks
from nas.search.holding import hold, hold_folder, one_line_errors
from nas.search.retraining import Progress, confirm
from nas.search.study import identity
from nas.search.study_folder import claim
from nas.search.training_way import Training
from nas.search.writable import check_writable

if TYPE_CHECKING:
    import optuna
    from torch import nn

    from nas.config import LaunchConfig
    from nas.training.decoded import Dataset


def confirm_trials(
    study: optuna.Study,
    trials: Sequence[int],
    config: LaunchConfig,
    dataset: Dataset,
    *,
    seeds: Sequence[int],
    epochs: int | None,
    progress: Progress,
    module: nn.Module | None = None,
) -> list[Confirmation]:
    """Retrain trials, by their numbers, on all training images of ``dataset``, and evaluate them on the test set.

    ``epochs`` None means the epoch budget of a candidate. Of ``config``, only storage, study and workers are used.
    ``module`` is the model in memory that the trials were made from, if they were.

    Raises UnusableInputError for no seed or no epoch, where the storage cannot be written or another process confirms
    trials of the study, and as ``confirm`` does.
    """
    for name, count in (("seeds", len(seeds)), ("epochs", epochs)):
        if count is not None and count < 1:
            raise UnusableInputError(f"--{name}: {count}: give 1 or more")
    check_writable(config.storage)
    with ExitStack() as held, one_line_errors():
        check = held.enter_context(hold(config.storage, study.study_name, "confirm"))
        folder = claim(config.storage, study)
        held.enter_context(hold_folder(folder, config.storage, study.study_name, "confirm"))
        searched = identity(study, "epochs")["epochs"]
        way, length = Training.of(study, searched), epochs or searched
        trained = [
            replace(one, given=handed_again(one.given, module, one.trial)) for one in networks(study, trials, folder)
        ]
        workers = engine(config, tasks=len(trials) * len(seeds))
        return confirm(
            study,
            trained,
            engine=workers,
            feed=confirm_feed(dataset, way, teachers.kept(folder, way.teacher)),
            seeds=seeds,
            epochs=length,
            recipe=way.for_epochs(length),
            folder=folder,
            progress=progress,
            precisions=partial(precisions, study, workers, check),
        )
