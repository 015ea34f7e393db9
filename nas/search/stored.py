"""What can be known of a storage and of its studies without Optuna, which takes longer to load than to read one."""

from __future__ import annotations

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
    """Where the folders of a storage's studies are: beside a journal, or ``runs`` for a database."""
    return Path("runs") if is_database(storage) else Path(storage).parent


def is_postgresql(place: str) -> bool:
    """Whether a storage is in PostgreSQL, by whatever driver: there a study is held by a lease."""
    return re.match(r"postgres(ql)?(\+\w+)?://", place) is not None


def run_folder(storage: str, study: str) -> Path:
    """The folder of a study's name, which holds its locks; its files, too, unless another study was there first."""
    return runs_folder(storage) / study


class NothingStoredError(UnusableInputError):
    """A storage that is not made yet: there is no such file, or the database holds no tables of studies."""


def nothing_at(place: str) -> NothingStoredError:
    """The error of a storage that is not made yet."""
    return NothingStoredError(f"no storage at {place}: nothing was launched here: launch a search, or give --storage")


class TrialState(IntEnum):
    """How far a trial is: the numbers of ``optuna.trial.TrialState``, and equal to them."""

    RUNNING = 0
    COMPLETE = 1
    PRUNED = 2
    FAIL = 3
    WAITING = 4

    def is_finished(self) -> bool:
        """Whether it has ended."""
        return self not in {TrialState.RUNNING, TrialState.WAITING}


class Seen(Protocol):
    """What readers ask of a trial; Optuna's own trials have it too."""

    @property
    def number(self) -> int:
        """Its place in the study."""

    @property
    def state(self) -> int:
        """Whether it runs, and how it ended: a TrialState, ours or Optuna's."""

    @property
    def user_attrs(self) -> Mapping[str, Any]:
        """What is known of its network."""

    @property
    def intermediate_values(self) -> Mapping[int, float]:
        """Epoch -> validation accuracy."""


class Operation(IntEnum):
    """What a line of a journal does: the numbers of Optuna's ``JournalOperation``."""

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
    """Which Optuna passes over, too."""
