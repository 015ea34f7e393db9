"""Functions on studies that exist: add networks to a queue, open a study as Optuna's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

from nas.api.keywords import public, worded
from nas.defaults import STORAGE
from nas.search import enqueueing, study_opening

if TYPE_CHECKING:
    import optuna

enqueue = public(enqueueing.enqueue)


@contextmanager
@wraps(study_opening.open_study)
def open_study(storage: str | Path = STORAGE, study: str | None = None) -> Iterator[optuna.Study]:
    """As ``study_opening.open_study``."""
    with worded(study_opening.open_study), study_opening.open_study(storage, study) as opened:
        yield opened
