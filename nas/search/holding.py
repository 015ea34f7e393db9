"""Holding a study, so that no second launch works on it; errors of disk or database become one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage

from constraints.errors import UnusableInputError
from nas.search.database_storage import reason
from nas.search.postgres_lease import LAPSE_SECONDS, Lease
from nas.search.storage import UNREADABLE, is_of_storage
from nas.search.stored import is_postgresql, run_folder

PATIENCE_SECONDS = 0.2
"""How long to wait for a lock: a reader that checks for a running launch holds it for a moment."""


@contextmanager
def hold(
    place: str, study: str, job: str = "driver", *, storage: BaseStorage | None = None, lapse: float = LAPSE_SECONDS
) -> Iterator[Callable[[], None]]:
    """Let only one ``job`` work on a study, by a lease in PostgreSQL and a lock file in the folder of its checkpoints.

    Yields what a search calls before each step (``Lease.check``); nothing commits through ``storage`` without the
    lease. Raises UnusableInputError where another holds the study.
    """
    with ExitStack() as held:
        check: Callable[[], None] = _nothing
        if is_postgresql(place):
            with one_line_errors():
                lease = held.enter_context(Lease(place, study, job, lapse=lapse))
            check = lease.check
            if isinstance(storage, RDBStorage):
                lease.guard(storage.engine)
        lock = _lock(run_folder(place, study), study, job)
        held.callback(lock.release)
        yield check


@contextmanager
def hold_folder(folder: Path, place: str, study: str, job: str = "driver") -> Iterator[None]:
    """Also lock the study's own ``folder``, where that is not the folder named after the study.

    The same database may be opened from another working directory, where that name is another folder.
    """
    if folder.resolve() == run_folder(place, study).resolve():
        yield
        return
    lock = _lock(folder, study, job)
    try:
        yield
    finally:
        lock.release()


def _lock(folder: Path, study: str, job: str) -> FileLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{job}.lock", timeout=PATIENCE_SECONDS)
        lock.acquire()
    except Timeout:
        raise UnusableInputError(
            f"study {study!r} is held by another process that works in {folder}: "
            "wait for it to end, or take another --study"
        ) from None
    except OSError as error:
        raise UnusableInputError(f"cannot write {folder}: {error.strerror}: give --storage a writable path") from None
    return lock


def _nothing() -> None:
    """Do nothing: a file lock, unlike a lease, cannot be lost."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn a full disk, a vanished folder or a lost database into one line."""
    try:
        yield
    except OSError as error:
        raise UnusableInputError(
            f"cannot continue: {error.filename or 'the disk'}: {error.strerror or error}: "
            "fix that and launch again, which resumes the study"
        ) from error
    except UNREADABLE as error:
        if not is_of_storage(error):
            raise
        raise UnusableInputError(
            f"the storage cannot be read: {reason(error)}: restore it from a copy, or give another --storage"
        ) from error
    except _storage_errors() as error:
        raise UnusableInputError(
            f"the storage became unavailable: {reason(error.__cause__ or error)}: "
            "fix that and launch again, which resumes the study"
        ) from error


def _storage_errors() -> tuple[type[Exception], ...]:
    """Errors of a storage; SQLAlchemy's only where it is loaded, which takes a quarter of a second."""
    module = sys.modules.get("sqlalchemy.exc")
    return (StorageInternalError,) if module is None else (StorageInternalError, module.SQLAlchemyError)
