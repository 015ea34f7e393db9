"""Deleting a study with its files."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nas.search.holding import hold, one_line_errors
from nas.search.storage import close_storage, open_storage
from nas.search.study import identity, open_study
from nas.search.study_folder import contradicts, study_folder

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """What deleting a study takes away."""

    study: str
    trials: int
    folder: Path | None
    """The folder of its files; None where there is none, or one that is not the study's alone."""


def planned(place: str, name: str) -> Deletion:
    """What would be deleted; UnusableInputError for a study that is not there, or that no launch made."""
    with open_study(place, name) as study:
        identity(study)
        return Deletion(study=name, trials=len(study.get_trials(deepcopy=False)), folder=_own_folder(place, study))


def delete(place: str, plan: Deletion) -> None:
    """Delete the study, then its folder; UnusableInputError where a launch or a confirmation holds it."""
    import optuna

    with ExitStack() as held, one_line_errors():
        storage = open_storage(place, write=True)
        held.callback(close_storage, storage)
        for job in ("driver", "confirm"):
            held.enter_context(hold(place, plan.study, job))
        optuna.delete_study(study_name=plan.study, storage=storage)
        if plan.folder is not None:
            shutil.rmtree(plan.folder)


def _own_folder(place: str, study: optuna.Study) -> Path | None:
    found = study_folder(place, study)
    if not found.path.is_dir() or (not found.is_marked and contradicts(found.path, study)):
        return None
    return found.path
