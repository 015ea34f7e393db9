"""A database as a storage of studies."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage

from constraints.errors import UnusableInputError, first_line
from nas.passwords import masked
from nas.search.stored import nothing_at

NETWORK: Mapping[str, int] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""Options of PostgreSQL's client library (seconds, the last one milliseconds): a dead network is noticed in 25 s."""
_POSTGRESQL = re.compile(r"^postgres(ql)?://")
_REMEDIES_OF_SQLITE = {
    "database is locked": "another program writes to it: try again when it has ended",
    "unable to open database file": "give --storage a path in a folder that is there and may be written",
    "Invalid SQLite URL": "write sqlite:///PATH, with three slashes",
    "readonly database": "give --storage a writable path",
    "disk is full": "make room on that disk",
}
"""What SQLite says -> what to do; any other error means that the file is damaged."""

_MADE_BY_ANOTHER = re.compile(r"already exists|UNIQUE constraint failed|duplicate key|Duplicate entry")
"""What a database says of a table, or its version, that another process made in the meantime."""
_TRIES = 50
_TRY_SECONDS = 0.1


def open_database(url: str, *, write: bool) -> BaseStorage:
    """The storage at a database's URL; a reader makes no tables. Raises UnusableInputError."""
    place = _POSTGRESQL.sub("postgresql+psycopg://", url)
    options = {"connect_args": dict(NETWORK) if _POSTGRESQL.match(url) else {}, "pool_pre_ping": True}
    try:
        if not write and not _holds_tables(place, options):
            raise nothing_at(masked(url))
        return _opened(place, options, write=write)
    except UnusableInputError:
        raise
    except ImportError as error:
        missing = error.__cause__.name if isinstance(error.__cause__, ImportError) else error.name
        if _POSTGRESQL.match(url):
            missing, remedy = "psycopg[binary]", "pip install 'psycopg[binary]'"
        else:
            remedy = "install the package that holds it, or give --storage a path"
        raise UnusableInputError(
            f"no driver for the storage {masked(url)}: {missing} is not installed: {remedy}"
        ) from None
    except Exception as error:
        # SQLAlchemy and the database drivers each raise errors of their own, with no common base but this.
        raise unusable_database("open", url, error) from None


def _opened(place: str, options: Mapping[str, Any], *, write: bool) -> BaseStorage:
    """Optuna's storage, with ``write`` after making its tables.

    Of processes that open a new database at the same time, each finds no tables and makes them, and all but one fail at
    one that is there by then: these try again until all are there.
    """
    from sqlalchemy.exc import SQLAlchemyError

    for left in reversed(range(_TRIES)):
        try:
            return RDBStorage(place, engine_kwargs=dict(options), skip_table_creation=not write)
        except SQLAlchemyError as error:
            if not (left and write and _MADE_BY_ANOTHER.search(str(error))):
                raise
        time.sleep(_TRY_SECONDS)
    raise AssertionError("the last try returns or raises")


def check_writable(url: str) -> None:
    """Raise UnusableInputError for the file of an SQLite database that can be neither made nor written."""
    import sqlalchemy

    file = sqlalchemy.make_url(url).database if url.startswith("sqlite") else None
    if not file or file == ":memory:" or file.startswith("file:"):
        return
    is_there = os.path.exists(file)  # noqa: PTH110 (a text that can be no path does not exist either)
    if not os.access(file if is_there else os.path.dirname(file) or os.curdir, os.W_OK):  # noqa: PTH120
        why = "attempt to write a readonly database" if is_there else "unable to open database file"
        raise unusable_database("open", url, OSError(why))


def unusable_database(verb: str, url: str, error: Exception) -> UnusableInputError:
    """The error for an unusable database, from the cause, which Optuna's message of a failed statement leaves out."""
    what = reason(error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error)
    remedy = "give --storage a database that can be reached"
    if url.startswith("sqlite"):
        known = (remedy for text, remedy in _REMEDIES_OF_SQLITE.items() if text in what)
        remedy = next(known, "restore it from a copy, or give another --storage")
    return UnusableInputError(f"cannot {verb} the storage {masked(url)}: {what}: {remedy}")


def _holds_tables(place: str, options: Mapping[str, Any]) -> bool:
    """Whether a database holds Optuna's tables; creates neither tables nor an SQLite file."""
    import sqlalchemy

    url = sqlalchemy.make_url(place)
    if url.get_backend_name() == "sqlite" and url.database and not os.path.exists(url.database):  # noqa: PTH110
        return False
    engine = sqlalchemy.create_engine(url, **options)
    try:
        return sqlalchemy.inspect(engine).has_table("studies")
    finally:
        engine.dispose()


def reason(error: BaseException) -> str:
    """The database's message in one line, without passwords and error numbers."""
    text = first_line(error) or type(error).__name__
    return masked(re.sub(r"^\([\w.]+\)\s*|\[Errno -?\d+\] ", "", text)).rstrip(". ")
