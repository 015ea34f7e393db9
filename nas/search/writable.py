"""Whether a storage can be written, asked before anything takes time."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from constraints.errors import UnusableInputError
from nas.search import database_storage
from nas.search.stored import is_database

ADVICE = "give --storage a writable path"
LOCK = ".lock"
"""Suffix of the lock file beside a journal."""


def check_writable(place: str) -> None:
    """Raise UnusableInputError for a journal or the file of an SQLite database that can be neither made nor written."""
    if is_database(place):
        database_storage.check_writable(place)
    else:
        _check_journal(Path(place))


def _check_journal(journal: Path) -> None:
    """Check the journal, or where it does not exist the nearest existing folder above it."""
    there = next(path for path in (journal, *journal.absolute().parents) if exists(path))
    longest = os.pathconf(there, "PC_NAME_MAX")  # cannot be asked of a folder that does not exist yet
    if any(len(os.fsencode(part)) > longest for part in (*journal.parts, f"{journal.name}{LOCK}")):
        raise UnusableInputError(f"cannot write {journal}: {os.strerror(errno.ENAMETOOLONG)}: {ADVICE}")
    if there != journal and not there.is_dir():
        raise UnusableInputError(f"cannot write {journal}: {there} is no folder: {ADVICE}")
    if not os.access(there, os.W_OK):
        raise UnusableInputError(f"cannot write {there}: Permission denied: {ADVICE}")
    if there != journal:
        _make_a_file(there)


def _make_a_file(folder: Path) -> None:
    """Make a file that is gone at once: by its permissions root may write /proc, where no file can be made."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UnusableInputError(f"cannot write {folder}: {error.strerror}: {ADVICE}") from None


def exists(path: Path) -> bool:
    """Whether there is such a file or folder; UnusableInputError where that cannot be known.

    Depending on the release of Python, ``Path.exists`` raises some of these errors or returns False.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:  # a name too long, a folder without permission
        raise UnusableInputError(f"cannot write {path}: {error.strerror}: {ADVICE}") from None
    return True
