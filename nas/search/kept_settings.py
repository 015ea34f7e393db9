"""What a launch of an existing study leaves out: the study's own values are kept, as its trials are compared by them.

Space, recipe, augmentation, tuning and teacher are kept where they are decided (``scope``, ``fitting``,
``training_way``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from constraints.errors import UnusableInputError
from nas.config import LaunchConfig
from nas.search.fitting import follows_data
from nas.search.scope import keeps_space
from nas.search.storage import opened_if_made
from nas.search.study import IDENTITY, data_place, identity

_KEPT = ("constraints", "seed", "objective")


@dataclass(frozen=True, kw_only=True)
class KnownStudy:
    """A study by its name and attributes."""

    study_name: str
    user_attrs: Mapping[str, Any]


def existing(config: LaunchConfig) -> KnownStudy | None:
    """The attributes of a configuration's study; None where it does not exist yet."""
    with opened_if_made(config.storage) as storage:
        if storage is None or config.study not in optuna.get_all_study_names(storage):
            return None
        attrs = optuna.load_study(storage=storage, study_name=config.study).user_attrs
    return KnownStudy(study_name=config.study, user_attrs=attrs) if IDENTITY in attrs else None


def check_measured(config: LaunchConfig, known: Mapping[str, Any]) -> None:
    """Raise UnusableInputError where a study measures networks by a user's file, and ``config`` names none."""
    if "metrics" in known and config.metrics is None:
        raise UnusableInputError(
            f"study {config.study!r} measures networks by {known['metrics']['name']}: give that file: --metrics"
        )


def settled(config: LaunchConfig, study: KnownStudy | None) -> LaunchConfig:
    """The configuration, with an ``existing`` study's rules, seed, objective, epochs and data where none are set.

    Raises UnusableInputError where the study measures networks by a user's file, and none is given.
    """
    if study is None:
        return config
    known = identity(study)
    check_measured(config, known)
    usual = {name: known[name] for name in _KEPT if name in known}
    if not follows_data(config):  # else where epochs are fitted to the data
        usual["epochs"] = known.get("epochs", config.epochs)
    asked = config.model_fields_set
    if "data" not in asked:
        usual["data"] = data_place(study, config.data)
    return config.model_copy(
        update={name: value for name, value in usual.items() if name not in asked and value != getattr(config, name)}
    )


def kept(asked: LaunchConfig, study: KnownStudy | None) -> str:
    """In words, what a launch keeps of its study and is not the default; empty where that is nothing."""
    if study is None:
        return ""
    known, after = identity(study), settled(asked, study)
    own = {name: getattr(after, name) for name in (*_KEPT, "epochs", "data")}
    if keeps_space(asked, known) and known["space"]["name"]:
        own = {"space": known["space"]["name"], **own}
    if "epochs" in asked.by_data:
        own["epochs"] = known.get("epochs", asked.epochs)
    words = [
        f"{name} {', '.join(value) if isinstance(value, list) else value}"
        for name, value in own.items()
        if value != getattr(asked, name)
    ]
    return f"study {asked.study} exists and keeps its own {'; '.join(words)}" if words else ""
