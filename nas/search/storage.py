"""Where studies are kept: a journal file, or a database."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage

from constraints.errors import UnusableInputError
from nas.passwords import masked
from nas.search.database_storage import open_database, unusable_database
from nas.search.journal_storage import open_journal
from nas.search.stored import NothingStoredError, check_regular, is_database, nothing_at

UNREADABLE = (ValueError, TypeError, AttributeError)
"""Errors that Optuna raises for values that it did not write, if ``is_of_storage``."""
_SLIP = re.compile(r"(sqlite|postgres(ql)?)(\+\w+)?:")
"""Prefix of a URL without its slashes, which would be taken as a file name."""


def open_storage(place: str, *, write: bool = False) -> BaseStorage:
    """The storage at a URL (``postgresql://...``) or of a journal file, which ``write`` makes where it is missing.

    A kill can leave a half-written last line in the journal: a writer moves it to ``<journal>.torn``, a reader skips
    it. Raises UnusableInputError where the storage cannot be opened.
    """
    if is_database(place):
        return open_database(place, write=write)
    if _SLIP.match(place):
        raise UnusableInputError(
            f"no URL of a database: {masked(place)}: write sqlite:///PATH or postgresql://HOST/NAME"
        )
    path = Path(place)
    check_regular(path)
    if not write and not _is_there(path):
        raise nothing_at(place)
    return open_journal(path, write=write)


def _is_there(path: Path) -> bool:
    """Whether the file exists; UnusableInputError where a folder above it is not accessible."""
    try:
        path.stat()
    except PermissionError as error:
        raise UnusableInputError(
            f"cannot open the storage {path}: {error.strerror}: give --storage a path that may be read"
        ) from None
    except (OSError, ValueError):  # a text that can be no path does not exist either
        return False
    return True


@contextmanager
def one_line_damage(place: str) -> Iterator[None]:
    """Turn errors that Optuna raises in the block for a damaged or foreign database into one line.

    Unlike a journal, a database is read only when its content is needed, not when it is opened.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise unusable_database("read", place, error) from error
    except UNREADABLE as error:
        if is_of_storage(error):
            raise unusable_database("read", place, error) from error
        raise


def is_of_storage(error: BaseException) -> bool:
    """Whether an error was raised below Optuna's storage code."""
    return any("/optuna/storages/" in frame.filename for frame in traceback.extract_tb(error.__traceback__))


def close_storage(storage: BaseStorage) -> None:
    """Close a database's connections; a journal has none."""
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


@contextmanager
def opened_if_made(place: str) -> Iterator[BaseStorage | None]:
    """A storage for reading, closed after the block; None where it does not exist yet. Raises as ``open_storage``."""
    try:
        storage = open_storage(place)
    except NothingStoredError:
        yield None
        return
    try:
        with one_line_damage(place):
            yield storage
    finally:
        close_storage(storage)
