"""Detects that a storage is unreachable, and waits until it answers again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from optuna.exceptions import StorageInternalError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

TRY_SECONDS = 0.25
"""Time between two attempts to reach it."""
OUTAGE_SECONDS = 600.0
"""How long to keep trying."""
_AFTER_LOSS = "8s2b"
"""SQLAlchemy's error code for using a transaction after its connection was lost."""


class StorageLostError(StorageInternalError):
    """The storage is temporarily unreachable."""


def is_outage(error: BaseException | None) -> bool:
    """Whether an error, or one of its causes, means that a database server is unreachable, perhaps temporarily."""
    from sqlalchemy.exc import DBAPIError, PendingRollbackError

    while error is not None:
        if isinstance(error, StorageLostError) or (isinstance(error, DBAPIError) and _is_connection_lost(error)):
            return True
        if isinstance(error, PendingRollbackError) and error.code == _AFTER_LOSS:
            return True
        error = error.__cause__
    return False


def _is_connection_lost(error: DBAPIError) -> bool:
    """Any of PostgreSQL's operational errors but a full disk: the server is unreachable, stopping or starting."""
    from sqlalchemy.exc import OperationalError

    of_server = isinstance(error, OperationalError) and type(error.orig).__module__.partition(".")[0] == "psycopg"
    return error.connection_invalidated or (of_server and type(error.orig).__name__ != "DiskFull")


def outlast(error: Exception, resume: Callable[[], None], *, notes: list[str], clock: Callable[[], float]) -> None:
    """Try to ``resume`` until the storage answers again, after it failed with ``error``.

    ``notes`` gets a line at the start and at the end. Raises ``error`` at once if it is not an outage, and the last
    error if the storage stays unreachable for OUTAGE_SECONDS.
    """
    until = clock() + OUTAGE_SECONDS
    if is_outage(error):
        notes.append("the storage does not answer: the search resumes when it does")
    while is_outage(error) and clock() < until:
        time.sleep(TRY_SECONDS)
        try:
            resume()
        except Exception as again:
            error = again
        else:
            notes.append("the storage answers again")
            return
    raise error
