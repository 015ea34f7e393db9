"""Checks a trial's files before its training resumes: damaged ones are renamed and reported, the rest is used."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from nas import atomic
from nas.search.worker import CHECKPOINT, PROGRESS, curve_of

DAMAGED = ".damaged"
"""Suffix of a file that was set aside."""


def take_up(folder: Path, known: Sequence[Mapping[str, Any]]) -> str:
    """Keep in a trial's folder only what its training can resume from; returns what was damaged, or an empty text.

    ``known`` are the epochs in the study. A damaged curve is rewritten from them, and training resumes from the
    checkpoint, which may be an epoch ahead. Without an intact checkpoint it starts from scratch. Raises OSError where
    the folder cannot be written.
    """
    checkpoint, progress = folder / CHECKPOINT, folder / PROGRESS
    if checkpoint.exists() and not is_whole(checkpoint):
        aside = [set_aside(path).name for path in (checkpoint, progress) if path.exists()]
        return f"{checkpoint} is damaged: it is trained from scratch, and {' and '.join(aside)} is kept"
    if not progress.exists() or _is_curve(progress):
        return ""
    aside = [set_aside(progress).name]
    if not checkpoint.exists():
        return f"{progress} is damaged, and there is no checkpoint: it is trained from scratch, and {aside[0]} is kept"
    atomic.write(progress, json.dumps([dict(epoch) for epoch in known]))
    return f"{progress} is damaged: it continues from its checkpoint, and {aside[0]} is kept"


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint is intact, by its checksums, without loading torch."""
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError):
        return False


def set_aside(path: Path) -> Path:
    """Rename a file so that nothing reads it; returns the new path."""
    names = (path.with_name(f"{path.name}{DAMAGED}{number or ''}") for number in count())
    return path.rename(next(name for name in names if not name.exists()))


def _is_curve(progress: Path) -> bool:
    try:
        return curve_of(progress.read_bytes()) is not None
    except OSError:
        return False
