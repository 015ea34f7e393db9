"""Refuses another recipe, augmentation or tuning than a study's before any data is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nas.config import LaunchConfig
from nas.search.fitting import follows_data, is_default
from nas.search.kept_settings import KnownStudy
from nas.search.study import IDENTITY, identity
from nas.search.taught import Taught
from nas.search.training_way import Training
from nas.user_augmentation import is_file


def refuse_other_training(config: LaunchConfig, known: Mapping[str, Any]) -> None:
    """Raise UnusableInputError where ``config`` asks for another training than that of its study.

    ``known`` is what the study was made with. What depends on the data is left to the check after it is read: a batch
    size that was not asked for, a user's own pipeline, and the teacher's weights.
    """
    is_users = config.augmentation is not None and is_file(config.augmentation)
    shipped = None if is_users else config.augmentation
    given = {"recipe": config.recipe, "augmentation": shipped, "tune": config.tune}
    if all(value is None for value in given.values()):
        return
    study = KnownStudy(study_name=config.study, user_attrs={IDENTITY: known})
    searched = identity(study, "epochs")["epochs"]
    way = Training.of(study, searched)
    epochs = searched if follows_data(config) else config.epochs
    teacher = Taught(name="", hash="") if config.teacher else None
    asked = Training.asked(config.recipe, shipped, epochs, tune=config.tune, teacher=teacher)
    if is_default(config):
        asked = replace(asked, recipe=replace(asked.recipe, batch_size=way.recipe.batch_size))
    way.refuse_other(study, asked, given)
