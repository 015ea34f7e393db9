"""Open a study that exists: by its name, or the newest one of a storage."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas import command_line
from nas.arguments import checked
from nas.defaults import STORAGE

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

_MOST_NAMED = 5
"""Studies that an error lists."""


class NewestStudyWarning(UserWarning):
    """No study was named, and the storage contains several."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's log of studies and trials on stderr in the block, unless logs were asked for."""
    import optuna

    level = optuna.logging.get_verbosity()
    is_wanted = logging.getLogger().isEnabledFor(logging.INFO)
    optuna.logging.set_verbosity(optuna.logging.INFO if is_wanted else optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


@checked
@contextmanager
def open_study(storage: str | Path = STORAGE, study: str | None = None) -> Iterator[optuna.Study]:
    """An existing study; its storage's connections are closed after the block.

    ``study`` None means the newest. Raises UnusableInputError where the storage cannot be opened or has no such study.
    """
    from nas.search.storage import close_storage, one_line_damage, open_storage

    opened = open_storage(str(storage))
    try:
        with one_line_damage(str(storage)):
            yield load(opened, study)
    finally:
        close_storage(opened)


def load(storage: BaseStorage, name: str | None) -> optuna.Study:
    """An existing study; without a name, the newest."""
    import optuna

    names = sorted((study.study_name for study in storage.get_all_studies()), key=storage.get_study_id_from_name)
    return optuna.load_study(storage=storage, study_name=choose(names, name))


def choose(names: Sequence[str], name: str | None) -> str:
    """``name``, or the last of ``names``, the newest, with a NewestStudyWarning where there are several.

    Raises UnusableInputError where there is no study, or none of that name.
    """
    if not names:
        raise UnusableInputError("no study in this storage: nothing was launched here: launch one, or give --storage")
    if name is None and len(names) > 1:
        flag = "--study" if command_line.present() else "study="
        message = f"{len(names)} studies in this storage, the newest is taken: {names[-1]}: {flag} chooses another"
        warnings.warn(message, NewestStudyWarning, stacklevel=2)
    if name is not None and name not in names:
        raise UnusableInputError(
            f"no such study: {name!r}: {nearest(name, names, f'this storage holds {_few(names)}')}"
        )
    return name or names[-1]


def _few(names: Sequence[str]) -> str:
    """The newest names, in quotes, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[: -_MOST_NAMED - 1 : -1])
    return f"{shown} and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else shown
