"""Checks a launch's study, constraints, training and starting networks before any data is decoded.

Nothing is written; user code runs only in the limited child process.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from nas.architecture.spec import DEFAULT_INPUT
from nas.config import LaunchConfig
from nas.latency.predictor import load as load_latency
from nas.loggers import choice
from nas.search import prior, starts, stored_values, teachers
from nas.search.early_training import refuse_other_training
from nas.search.engine_choice import starter
from nas.search.fitting import follows_data
from nas.search.holding import hold
from nas.search.measures import check_file, counted, needs_latency
from nas.search.objectives import Objectives
from nas.search.scope import space_of
from nas.search.storage import opened_if_made
from nas.search.stored import is_database, is_postgresql, run_folder
from nas.search.study import REMEDIES, known_of, refuse_other
from nas.search.study_opening import load
from nas.search.training_way import Training
from nas.search.writable import check_writable, exists
from nas.space.feasible import FeasiblePart
from nas.user_augmentation import check_source, is_file

_THUMBNAILS = ("auto", "cifar10", "digits")
"""Data sets whose image shape and number of classes are a space's defaults."""
_OF_NO_DATA = frozenset(
    {"convs", "dilated_convs", "depthwise_convs", "depthwise_separable_convs", "global_average_pools", "max_pools"}
)
"""Metrics independent of image size and classes (not stages: for large images the stem strides, which ends one)."""
_ANY_IMAGE = (3, 512, 512)
"""An image so large that no layer's output is empty, so that every network of the space can be counted."""


def check_means(config: LaunchConfig) -> None:
    """Raise UnusableInputError for an unusable recipe, augmentation, metric file, engine or logger."""
    shipped = config.augmentation
    if config.augmentation is not None and is_file(config.augmentation):
        check_source(config.augmentation)
        shipped = None  # a user's pipeline runs later, once there is an image to try it on
    Training.asked(config.recipe, shipped, config.epochs, tune=config.tune)
    if config.metrics is not None:
        check_file(config.metrics, config.rules, config.objective)
    if needs_latency(config.rules, config.objective):
        load_latency()
    choice.check(config.log)
    starter(config.engine).check(config.device, config.workers)


def check_feasible(config: LaunchConfig, known: Mapping[str, Any]) -> None:
    """Raise UnusableInputError, naming the smallest change, where no network of the space satisfies the constraints.

    Where image size and classes are not known yet (data other than CIFAR-10), only constraints that do not depend on
    them are checked. The default space and constraints have feasible networks. ``known`` is what the study was made
    with: it keeps its space.
    """
    if not {"space", "constraints"} & config.model_fields_set:
        return
    is_known, rules = config.data in _THUMBNAILS, counted(config.rules)
    image = DEFAULT_INPUT if is_known else _ANY_IMAGE
    space = space_of(config, known, config.space, input=image)
    judged = rules if is_known else tuple(rule for rule in rules if rule.metric in _OF_NO_DATA)
    if judged:
        FeasiblePart(space, judged).sample(random.Random(config.seed))


def check_beginning(config: LaunchConfig) -> None:
    """Raise UnusableInputError for a starting network, prior study or teacher that does not exist."""
    starts.check(config.start)
    if config.from_study is not None:
        prior.check(config.from_study, config.storage, config.study)
    teachers.check(config.teacher, storage=config.storage, study=config.study)


def check_study(config: LaunchConfig) -> Mapping[str, Any]:
    """What the study was made with; UnusableInputError where it cannot be created or resumed, whatever the data.

    Reasons: the storage cannot be read or written, another launch holds the study, or the study was made with other
    constraints, seed, objective, epochs, recipe, augmentation or tuning.
    """
    if not is_database(config.storage):
        check_writable(config.storage)
    known = known_study(config)
    if is_database(config.storage):
        check_writable(config.storage)
    if known:
        _check_stored(config)
        asked = {"constraints": config.rules, "seed": config.seed, "epochs": config.epochs}
        left = {"epochs"} if follows_data(config) else set()  # the study's own are used
        if config.metrics is None:  # else the objective's direction needs the user's file to run
            asked["objective"] = str(Objectives.parse(config.objective))
        refuse_other(config.study, known, asked, {key: REMEDIES[key] for key in asked if key not in left})
        refuse_other_training(config, known)
        if not is_postgresql(config.storage) and exists(run_folder(config.storage, config.study)):
            with hold(config.storage, config.study):
                pass
    return known


def _check_stored(config: LaunchConfig) -> None:
    """Raise UnusableInputError where the study stores a value of another kind, which its trials would depend on."""
    with opened_if_made(config.storage) as storage:
        if storage is not None:
            stored_values.check_all(load(storage, config.study))


def known_study(config: LaunchConfig) -> Mapping[str, Any]:
    """What the study was made with; empty where it does not exist yet."""
    with opened_if_made(config.storage) as storage:
        return {} if storage is None else known_of(storage, config.study)
