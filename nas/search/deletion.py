"""Deleting a study with its files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from constraints.errors import UnusableInputError
from nas.search.holding import hold, hold_folder, one_line_errors
from nas.search.storage import close_storage, open_storage
from nas.search.stored import run_folder
from nas.search.study import identity
from nas.search.study_folder import contradicts, study_folder
from nas.search.study_opening import open_study
from nas.search.writable import check_writable

if TYPE_CHECKING:
    import optuna

JOBS = ("driver", "confirm")
"""What may hold a study: a launch, and a confirmation."""


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """What deleting a study removes."""

    study: str
    trials: int
    folder: Path | None
    """The folder of its files; None where there is none, or where it also belongs to another study."""


def planned(place: str, name: str) -> Deletion:
    """What would be deleted, for the user to agree to.

    Raises UnusableInputError for a study that is not there or that no launch made, where the storage cannot be written,
    and where a launch or a confirmation holds the study.
    """
    with open_study(place, name) as study:
        check_writable(place)
        identity(study)
        with ExitStack() as held:
            _hold(place, study, held)
        return Deletion(study=name, trials=len(study.get_trials(deepcopy=False)), folder=_own_folder(place, study))


def delete(place: str, plan: Deletion) -> None:
    """Delete the study and its folder, or neither where one of them cannot be.

    Raises UnusableInputError where the storage cannot be written, where a launch or a confirmation holds the study, and
    where files cannot be removed; the error then names what is left of them.
    """
    import optuna

    with ExitStack() as held, one_line_errors():
        storage = open_storage(place, write=True)
        held.callback(close_storage, storage)
        _hold(place, optuna.load_study(study_name=plan.study, storage=storage), held)
        aside = _set_aside(plan.folder) if plan.folder else None
        try:
            optuna.delete_study(study_name=plan.study, storage=storage)
        except BaseException:
            if aside is not None and plan.folder is not None:
                aside.rename(plan.folder)
            raise
        if aside is not None:
            _remove(aside, plan.study)


def _hold(place: str, study: optuna.Study, held: ExitStack) -> None:
    """Hold the study for every job, as a launch and a confirmation do; a folder made for the locks is removed again."""
    name, own = study.study_name, study_folder(place, study).path
    named = run_folder(place, name)
    made = [folder for folder in (named, named.parent) if not folder.is_dir()]
    for job in JOBS:
        held.enter_context(hold(place, name, job))
    held.callback(_remove_locks, made)
    for job in JOBS if own.is_dir() else ():
        held.enter_context(hold_folder(own, place, name, job))


def _remove_locks(folders: Sequence[Path]) -> None:
    """Remove the lock files and the folders that were made for them, as far as nothing else is in them."""
    for folder in folders:
        for job in JOBS:
            (folder / f"{job}.lock").unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


def _set_aside(folder: Path) -> Path:
    names = (folder.with_name(f"{folder.name}.deleted{number or ''}") for number in count())
    aside = next(name for name in names if not name.exists())
    try:
        return folder.rename(aside)
    except OSError as error:
        raise UnusableInputError(
            f"cannot delete {folder}: {error.strerror}: nothing was deleted: fix that, and delete again"
        ) from None


def _remove(aside: Path, study: str) -> None:
    try:
        shutil.rmtree(aside.resolve())
        if aside.is_symlink():
            aside.unlink()
    except OSError as error:
        raise UnusableInputError(
            f"study {study} is deleted, files of it are left in {aside}: {error.strerror}: remove them"
        ) from None


def _own_folder(place: str, study: optuna.Study) -> Path | None:
    found = study_folder(place, study)
    if not found.path.is_dir() or (not found.is_marked and contradicts(found.path, study)):
        return None
    return found.path
