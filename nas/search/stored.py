"""Facts about a storage and its studies that need no Optuna, which takes longer to load than a study to read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

from constraints.errors import UnusableInputError


def is_database(place: str) -> bool:
    """Whether a storage is a database's URL rather than a journal's path."""
    return "://" in place


def runs_folder(storage: str) -> Path:
    """The folder that contains the studies' folders: beside a journal, or ``runs`` for a database."""
    return Path("runs") if is_database(storage) else Path(storage).parent


def is_postgresql(place: str) -> bool:
    """Whether a storage is in PostgreSQL, with any driver; there, a lease holds a study."""
    return re.match(r"postgres(ql)?(\+\w+)?://", place) is not None


def run_folder(storage: str, study: str) -> Path:
    """The folder named after a study, with its locks and, unless another study used it first, its files.

    Raises UnusableInputError for a name by which it would be another folder than one of its own.
    """
    return runs_folder(storage) / folder_name(study)


def folder_name(study: str) -> str:
    """The name of a study, for a folder; UnusableInputError for one, not of this tool, that leads elsewhere."""
    if study in {"", ".", ".."} or not {"/", os.sep, "\0"}.isdisjoint(study):
        raise UnusableInputError(
            f"study {study!r} has no folder, since its name is no name of one: copy it under another name "
            "(optuna.copy_study)"
        )
    return study


class NothingStoredError(UnusableInputError):
    """The storage does not exist yet: there is no such file, or the database has no tables of studies."""


def nothing_at(place: str) -> NothingStoredError:
    """The error for a storage that does not exist yet."""
    return NothingStoredError(f"no storage at {place}: nothing was launched here: launch a search, or give --storage")


def check_regular(path: str | Path) -> None:
    """Raise UnusableInputError for the path of a journal at which there is a folder, a pipe or a device.

    Reading those fails, waits or never ends.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 (a text that can be no path is neither)
        kind = "a folder" if os.path.isdir(path) else "a pipe or a device"  # noqa: PTH112
        raise UnusableInputError(f"the storage is {kind}: {path}: give --storage the path of a journal file")


class TrialState(IntEnum):
    """The state of a trial, with the same numbers as ``optuna.trial.TrialState``."""

    RUNNING = 0
    COMPLETE = 1
    PRUNED = 2
    FAIL = 3
    WAITING = 4

    def is_finished(self) -> bool:
        """Whether the trial has ended."""
        return self not in {TrialState.RUNNING, TrialState.WAITING}


class SeenTrial(Protocol):
    """The interface of a trial for readers; Optuna's own trials have it too."""

    @property
    def number(self) -> int:
        """The trial's number in the study."""

    @property
    def state(self) -> int:
        """A TrialState, ours or Optuna's."""

    @property
    def user_attrs(self) -> Mapping[str, Any]:
        """The trial's user attributes, such as its network."""

    @property
    def intermediate_values(self) -> Mapping[int, float]:
        """Epoch -> validation accuracy."""


class LineOperation(IntEnum):
    """The operation of a journal line, with the numbers of Optuna's ``JournalOperation``."""

    CREATE_STUDY = 0
    DELETE_STUDY = 1
    SET_STUDY_USER_ATTR = 2
    SET_STUDY_SYSTEM_ATTR = 3
    CREATE_TRIAL = 4
    SET_TRIAL_PARAM = 5
    SET_TRIAL_STATE_VALUES = 6
    SET_TRIAL_INTERMEDIATE_VALUE = 7
    SET_TRIAL_USER_ATTR = 8
    SET_TRIAL_SYSTEM_ATTR = 9
    DISCARD_TRIALS = 10
    """Ignored, as by Optuna."""
