"""Checks a trial's files before its training resumes: damaged ones are renamed and reported, the rest is used."""

from __future__ import annotations

import io
import json
import zipfile
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
    checkpoint, which may be an epoch ahead. Without an intact checkpoint it starts from scratch. A file that cannot be
    read is not damaged, and stays: raises its OSError, and that of a folder that cannot be written.
    """
    checkpoint, progress = folder / CHECKPOINT, folder / PROGRESS
    trained, curve = _content(checkpoint), _content(progress)
    if trained is not None and not is_whole(trained):
        aside = [set_aside(path).name for path in (checkpoint, progress) if path.exists()]
        return f"{checkpoint} is damaged: it is trained from scratch, and {' and '.join(aside)} is kept"
    if curve is None or curve_of(curve) is not None:
        return ""
    aside = [set_aside(progress).name]
    if trained is None:
        return f"{progress} is damaged, and there is no checkpoint: it is trained from scratch, and {aside[0]} is kept"
    atomic.write(progress, json.dumps([dict(epoch) for epoch in known]))
    return f"{progress} is damaged: it continues from its checkpoint, and {aside[0]} is kept"


def is_whole(checkpoint: bytes) -> bool:
    """Whether the content of a checkpoint is intact, by its checksums, without loading torch."""
    try:
        with zipfile.ZipFile(io.BytesIO(checkpoint)) as archive:
            return archive.testzip() is None
    except Exception:  # on arbitrary bytes, the reader may raise anything
        return False


def set_aside(path: Path) -> Path:
    """Rename a file so that nothing reads it; returns the new path."""
    names = (path.with_name(f"{path.name}{DAMAGED}{number or ''}") for number in count())
    return path.rename(next(name for name in names if not name.exists()))


def _content(path: Path) -> bytes | None:
    """The content of a file; None where there is none. Raises OSError where it cannot be read."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
