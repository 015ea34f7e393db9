"""What can be wrong with the study of a launch, found before data is decoded or torch is loaded; nothing is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from constraints.errors import UnusableInputError
from nas.config import LaunchConfig
from nas.search.holding import hold
from nas.search.storage import is_postgresql, opened_if_made, run_folder
from nas.search.stored import is_database
from nas.search.study import known_of, refuse_other

_ASKED = ("constraints", "seed", "epochs")
"""What a study is made with that neither the data nor other files decide."""


def check_study(config: LaunchConfig) -> None:
    """Raise UnusableInputError where the study cannot be made, or not be resumed, whatever the data are.

    That is a storage that cannot be read or written, a study that another launch holds, and one that was made with
    other rules, another seed or other epochs.
    """
    if not is_database(config.storage):
        _check_writable(Path(config.storage))
    if known := known_study(config):
        asked = {"constraints": config.rules, "seed": config.seed, "epochs": config.epochs}
        left = {"epochs"} - config.model_fields_set  # which then are the study's own
        refuse_other(config.study, known, asked, [key for key in _ASKED if key not in left])
        if not is_postgresql(config.storage) and run_folder(config.storage, config.study).exists():
            with hold(config.storage, config.study):
                pass


def known_study(config: LaunchConfig) -> Mapping[str, Any]:
    """What the study was made with; nothing where it is not made yet."""
    with opened_if_made(config.storage) as storage:
        return {} if storage is None else known_of(storage, config.study)


def _check_writable(journal: Path) -> None:
    """By the journal, or by the nearest folder above it that there is."""
    there = next(path for path in (journal, *journal.absolute().parents) if path.exists())
    if there != journal and not there.is_dir():
        raise UnusableInputError(f"cannot write {journal}: {there} is no folder: give --storage a writable path")
    if not os.access(there, os.W_OK):
        raise UnusableInputError(f"cannot write {there}: Permission denied: give --storage a writable path")
