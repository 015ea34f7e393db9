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
from nas.search.stored import NothingStoredError, is_database, nothing_at

UNREADABLE = (ValueError, TypeError, AttributeError)
"""What Optuna raises of a value that it did not write, if ``is_of_storage``."""
_SLIP = re.compile(r"(sqlite|postgres(ql)?)(\+\w+)?:")
"""How a URL begins that lacks its slashes, and would be the name of a file."""


def open_storage(place: str, *, write: bool = False) -> BaseStorage:
    """The storage at a URL (``postgresql://...``) or of a journal file, which ``write`` makes where it is missing.

    A writer sets a half-written last line of the journal, which a kill can leave, aside in ``<journal>.torn``; a
    reader passes over it. Raises UnusableInputError where the storage cannot be opened.
    """
    if is_database(place):
        return open_database(place, write=write)
    if _SLIP.match(place):
        raise UnusableInputError(
            f"no URL of a database: {masked(place)}: write sqlite:///PATH or postgresql://HOST/NAME"
        )
    path = Path(place)
    if not write and not _is_there(path):
        raise nothing_at(place)
    return open_journal(path, write=write)


def _is_there(path: Path) -> bool:
    """Whether there is such a file; UnusableInputError where a folder above it may not be entered."""
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
    """Turn what a damaged database, or one that another program made, has Optuna raise in the block into one line.

    A database's content is read when it is needed, and not, as a journal's, when it is opened.
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
    """Whether Optuna's code of storages called what raised an error."""
    return any("/optuna/storages/" in frame.filename for frame in traceback.extract_tb(error.__traceback__))


def close_storage(storage: BaseStorage) -> None:
    """Give a database's connections back; a journal holds none."""
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


@contextmanager
def opened_if_made(place: str) -> Iterator[BaseStorage | None]:
    """A storage to be read, closed at the end of the block; None where it is not made yet. Raises as its opening."""
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
