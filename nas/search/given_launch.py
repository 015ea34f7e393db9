"""Training a given network: from what the user names to a network, its trials in a study, and their driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from constraints.errors import UnusableInputError
from nas.config import AUGMENTATION_RULE, LaunchConfig
from nas.search import teachers
from nas.search.budget import Budget
from nas.search.driver import Driver
from nas.search.early_check import check_means, check_study
from nas.search.feeds import search_feed
from nas.search.fitting import as_sized, doubts_of, fitted, said
from nas.search.given_network import judged_network, with_measures
from nas.search.given_proposals import NetworkToTrain, key_of
from nas.search.holding import one_line_errors
from nas.search.kept_settings import check_measured, existing
from nas.search.launch_measures import measuring
from nas.search.measure import images_of
from nas.search.search_launch import PreparedLaunch
from nas.search.study import TARGET, VALIDATION_IMAGES, create_or_resume, data_place, identity
from nas.search.study_identity import describe, training_identity
from nas.search.taught import Taught
from nas.search.training_way import Training
from nas.search.trial_store import TrialStore, is_given
from nas.search.wanted import Wanted
from nas.search.workplace import Workplace
from nas.space.attributes import ORIGIN, SEED
from nas.training import datasets
from nas.training.decoded import Dataset
from nas.training.default_sizes import Sizing

if TYPE_CHECKING:
    from nas.space.sampler import FeasibleSampler

_WAY = ("recipe", "augmentation", "teacher")
"""Flags that change how a network is trained."""


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """A training of a network that is ready to run."""

    network: NetworkToTrain
    prepared: PreparedLaunch
    notes: tuple[str, ...]
    """Messages about the network, a line each."""

    def trials(self) -> list[FrozenTrial]:
        """Its trials in the study, by seed; the last one of each seed."""
        trials = self.prepared.study.get_trials(deepcopy=False)
        mine = {t.user_attrs[SEED]: t for t in trials if is_given(t) and key_of(t.user_attrs) == self.network.key}
        return [mine[seed] for seed in sorted(mine)]


def as_studied(config: LaunchConfig, given: Mapping[str, Any]) -> LaunchConfig:
    """The configuration, with an existing study's values for everything that is not in ``given``.

    A project's settings only apply to new studies, except for the path of a metrics file.
    """
    study = existing(config)
    if study is None:
        return config
    known = identity(study)
    check_measured(config, known)
    usual = {name: known[name] for name in ("epochs", "constraints", "seed", "objective") if name in known}
    usual |= dict.fromkeys((*_WAY, "tune"))
    usual |= {} if "metrics" in known else {"metrics": None}
    if given.get("data") is None:
        usual["data"] = data_place(study, config.data)
    usual["target"] = None  # the study keeps its own
    return config.model_copy(update={name: value for name, value in usual.items() if given.get(name) is None})


def check(config: LaunchConfig, wanted: Wanted) -> None:
    """Raise UnusableInputError for what can be found to be wrong before any data is decoded."""
    wanted.check()
    datasets.check(config.data)
    config = _asked(config, wanted)
    check_means(config)
    check_study(config)
    teachers.check(config.teacher, storage=config.storage, study=config.study)


def _asked(config: LaunchConfig, wanted: Wanted) -> LaunchConfig:
    """The configuration with the recipe and teacher asked for this network."""
    way = {name: value for name in _WAY if (value := getattr(wanted, name)) is not None}
    return config.model_copy(update=way)


def _way(
    config: LaunchConfig, wanted: Wanted, dataset: Dataset, teacher: Taught | None
) -> tuple[LaunchConfig, Training, Sizing | None, Training]:
    """How the network trains: as the study's networks do (anything else is refused), or as asked, fitted to the data.

    The last item is how it would train in a new study.
    """
    study = existing(config)
    asked = Training.asked(
        config.recipe, config.augmentation, config.epochs, tune=config.tune, dataset=dataset, teacher=teacher
    )
    if study is None:
        asked.check_teacher()
        config, asked, sized = fitted(config, asked, dataset, None)
        return config, asked, sized, asked
    way = Training.of(study, config.epochs)
    usual = as_sized(config, asked, way, dataset)
    way.refuse_other(study, usual, {name: getattr(wanted, name) for name in _WAY})
    return config, way, None, usual


def prepare(config: LaunchConfig, wanted: Wanted, dataset: Dataset, observe: Callable[[Driver], None]) -> Trainings:
    """Check the network against the constraints, try one training step, and open everything that its trainings need.

    Raises UnusableInputError for a network that cannot be trained or has an unfinished training with other files, and
    as ``nas.search.search_launch.prepare`` does; ModelFailedError where user code raised.
    """
    wanted.check()
    dataset.split()
    config = _asked(config, wanted)
    teacher = teachers.read(config.teacher, storage=config.storage, study=config.study, dataset=dataset)
    config, way, sized, usual = _way(config, wanted, dataset, teachers.taught(teacher))
    if AUGMENTATION_RULE in config.constraints:
        way.check_rule(dataset)
    with ExitStack() as tools:
        measures, objectives = measuring(config, tools)
        rules = [rule.expr for rule in measures.counted]
        network, notes = judged_network(config, rules, wanted, dataset, way, latency=measures.latency)
        network = with_measures(network, measures, dataset)
    objectives.check({**network.metrics.as_dict(), **network.measured})
    with ExitStack() as held, one_line_errors():
        place = Workplace.opened(config, held, tasks=wanted.seeds)
        made_with = training_identity(config, dataset, way, objective=str(objectives), latency=measures.latency)
        study = create_or_resume(place.storage, config.study, made_with, RandomSampler(), objectives.directions)
        folder = place.folder(study, held)
        way = Training.of(study, config.epochs)
        teacher = teachers.kept(folder, way.teacher, teacher)
        place.notes.extend([*notes, *teachers.notes(teacher), *way.notes(config.epochs, replace(usual, idle=()))])
        feed = search_feed(dataset, config.seed, way, teacher)
        describe(study, config, dataset)
        target = study.user_attrs[TARGET]
        doubts = doubts_of(dataset, way, config.epochs, target, objectives.measure)
        study.set_user_attr(VALIDATION_IMAGES, images_of(objectives.measure, feed.evaluation[1]))
        seeds = _missing(study, network, config, wanted, folder)
        lock = held.pop_all()
    trials = len(study.get_trials(deepcopy=False)) + len(seeds)
    driver = place.driver(
        study,
        folder,
        observe,
        sampler=cast("FeasibleSampler", study.sampler),  # which given networks ask for nothing
        feed=feed,
        budget=Budget(trials=trials, seconds=float("inf"), epochs=config.epochs, target=target),
        recipe=way.recipe,
        objectives=objectives,
        network=network,
        seeds=seeds,
    )
    return Trainings(
        network=network,
        prepared=PreparedLaunch(
            study=study,
            driver=driver,
            dataset=dataset,
            training=way,
            lock=lock,
            advice=doubts,
            sizing=said(feed, way, config.epochs, sized),
        ),
        notes=notes,
    )


def _missing(
    study: optuna.Study, network: NetworkToTrain, config: LaunchConfig, wanted: Wanted, folder: Path
) -> list[int]:
    """The seeds without a complete or resumable trial; ends or refuses unfinished trials whose files have changed."""
    trials = [t for t in study.get_trials(deepcopy=False) if is_given(t)]
    mine = [t for t in trials if key_of(t.user_attrs) == network.key and t.state != TrialState.FAIL]
    for trial in trials:
        if trial.state.is_finished() or trial.user_attrs[ORIGIN] != network.origin or trial in mine:
            continue
        if not wanted.anew:
            raise UnusableInputError(
                f"{network.origin} is not what trial {trial.number} was begun with ({_progress(trial, config)}): its "
                f"files or arguments have changed: restore them (copies: {folder / f'trial-{trial.number:05d}'}), or "
                "give --anew to end that trial and train what is there now"
            )
        store = TrialStore(study)
        store.fail(store.reopen(trial.number), f"replaced by --anew after {len(trial.intermediate_values)} epochs")
    known = {t.user_attrs[SEED] for t in mine}
    return [seed for seed in range(config.seed, config.seed + wanted.seeds) if seed not in known]


def _progress(trial: FrozenTrial, config: LaunchConfig) -> str:
    return f"{len(trial.intermediate_values)} of {config.epochs} epochs are trained"
