"""Where studies are kept: a journal file with a lock that dies with its holder, or a database."""

from __future__ import annotations

import errno
import json
import os
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from constraints.errors import UnusableInputError
from nas.search.stored import Operation, is_database, runs_folder

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

NETWORK: Mapping[str, int] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""Options of PostgreSQL's client library (seconds, the last one milliseconds): a dead network is noticed in 25 s."""
_POSTGRESQL = re.compile(r"^postgres(ql)?://")
_SLIP = re.compile(r"(sqlite|postgres(ql)?)(\+\w+)?:")
"""How a URL begins that lacks its slashes, and would be the name of a file."""
_JOURNAL_START = b'{"op_code":'
_SQLITE_START = b"SQLite format 3\0"
_OF_A_PROPOSAL = {
    Operation.CREATE_TRIAL,
    Operation.SET_TRIAL_PARAM,
    Operation.SET_TRIAL_USER_ATTR,
    Operation.SET_TRIAL_SYSTEM_ATTR,
}
"""Operations of which there are dozens for each proposal: waiting for the disk at each would take most of its time."""


def open_storage(place: str, *, write: bool = False) -> BaseStorage:
    """The storage at a URL (``postgresql://...``) or of a journal file, which ``write`` makes where it is missing.

    A writer sets a half-written last line of the journal, which a kill can leave, aside in ``<journal>.torn``; a
    reader passes over it. Raises UnusableInputError where the storage cannot be opened.
    """
    if is_database(place):
        return _database(place, write=write)
    if _SLIP.match(place):
        raise UnusableInputError(
            f"no URL of a database: {masked(place)}: write sqlite:///PATH or postgresql://HOST/NAME"
        )
    path = Path(place)
    if not write and not os.path.exists(path):  # noqa: PTH110 (a text that can be no path does not exist either)
        raise _nothing_at(place)
    return _journal(path, write=write)


@contextmanager
def one_line_damage(place: str) -> Iterator[None]:
    """Turn what a damaged database, or one that another program made, has Optuna raise in the block into one line.

    A database's content is read when it is needed, and not, as a journal's, when it is opened.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise _unusable_database("read", place, error) from error
    except UNREADABLE as error:
        if is_of_storage(error):
            raise _unusable_database("read", place, error) from error
        raise


UNREADABLE = (ValueError, TypeError, AttributeError)
"""What Optuna raises of a value that it did not write, if ``is_of_storage``."""


def is_of_storage(error: BaseException) -> bool:
    """Whether Optuna's code of storages called what raised an error."""
    return any("/optuna/storages/" in frame.filename for frame in traceback.extract_tb(error.__traceback__))


class NothingStoredError(UnusableInputError):
    """A storage that is not made yet: there is no such file, or the database holds no tables of studies."""


def _nothing_at(place: str) -> NothingStoredError:
    return NothingStoredError(f"no storage at {place}: nothing was launched here: launch a search, or give --storage")


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


def is_postgresql(place: str) -> bool:
    """Whether a storage is in PostgreSQL, by whatever driver: there a study is held by a lease."""
    return re.match(r"postgres(ql)?(\+\w+)?://", place) is not None


_AFTER_LOSS = "8s2b"
"""SQLAlchemy's code for a transaction that is used again after its connection was lost."""


class StorageLostError(StorageInternalError):
    """The storage is out of reach for the moment."""


def is_outage(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, says that a database server is out of reach, which may pass."""
    from sqlalchemy.exc import DBAPIError, PendingRollbackError

    while error is not None:
        if isinstance(error, StorageLostError) or (isinstance(error, DBAPIError) and _is_connection_lost(error)):
            return True
        if isinstance(error, PendingRollbackError) and error.code == _AFTER_LOSS:
            return True
        error = error.__cause__
    return False


def _is_connection_lost(error: DBAPIError) -> bool:
    """Of PostgreSQL's operational errors all but a full disk are of a server that is away, stops or starts."""
    from sqlalchemy.exc import OperationalError

    of_server = isinstance(error, OperationalError) and type(error.orig).__module__.partition(".")[0] == "psycopg"
    return error.connection_invalidated or (of_server and type(error.orig).__name__ != "DiskFull")


def run_folder(storage: str, study: str) -> Path:
    """The folder of a study's name, which holds its locks; its files, too, unless another study was there first."""
    return runs_folder(storage) / study


def masked(text: str) -> str:
    """``text`` without the passwords that URLs in it carry."""
    without = re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)
    return re.sub(r"([?&]password=)[^&#\s]*", r"\1***", without)


class _Journal(BaseJournalBackend):
    """A journal that calls fsync only for intermediate values, final states and study attributes.

    One call makes every earlier line durable too. A killed process loses nothing either way. A machine that fails can
    only lose a trial that has no epoch yet, which is proposed again. The lock is the operating system's: unlike
    Optuna's own, none is left to wait for when its holder is killed.
    """

    def __init__(self, path: Path, lock: FileLock) -> None:
        self._path, self._lock = path, lock
        self._reader = JournalFileBackend(str(path))
        self._read = self._trials = self._studies = 0
        self._has_deleted = False

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """The lines from that number on; LookupError where one is of what was never made: lines are lost."""
        if log_number_from == 0:
            self._read, self._trials, self._studies, self._has_deleted = 0, 0, 0, False
        for number, log in enumerate(self._reader.read_logs(log_number_from), start=log_number_from):
            if number == self._read:
                self._check(log)
                self._read += 1
            yield log

    def _check(self, log: Mapping[str, Any]) -> None:
        """Count studies and trials; of a deleted study some may have been refused, which Optuna passes over."""
        op = log["op_code"]
        self._studies += op == Operation.CREATE_STUDY
        if log.get("study_id", -1) >= self._studies:
            raise LookupError(f"study {log['study_id']} was never made: lines are lost")
        self._trials += op == Operation.CREATE_TRIAL
        self._has_deleted |= op == Operation.DELETE_STUDY
        if log.get("trial_id", -1) >= self._trials and not self._has_deleted:
            raise LookupError(f"trial {log['trial_id']} was never made: lines are lost")

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write lines; whole ones only, while this process holds the lock."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with self._lock, self._path.open("ab") as file:
            file.write(lines.encode())
            if not all(log["op_code"] in _OF_A_PROPOSAL for log in logs):
                file.flush()
                os.fsync(file.fileno())


def _journal(path: Path, *, write: bool) -> BaseStorage:
    lock = FileLock(f"{path}.lock")
    try:
        _refuse_other_files(path)
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            with lock:
                _set_torn_line_aside(path)
        return JournalStorage(_Journal(path, lock))
    except UnusableInputError:
        raise
    except OSError as error:
        remedy = "make room on that disk" if error.errno == errno.ENOSPC else "give --storage a writable path"
        raise UnusableInputError(f"cannot open the storage {path}: {error.strerror or error}: {remedy}") from None
    except Exception as error:
        # Optuna replays the lines, so a line that is no operation of its own may raise anything.
        raise UnusableInputError(
            f"cannot read the storage {path}: {_damage(path)} ({type(error).__name__}): "
            "restore it from a copy, or give another --storage"
        ) from None


def _refuse_other_files(path: Path) -> None:
    """Raise ValueError for a file that is no journal, before anything is written beside it."""
    if path.exists():
        with path.open("rb") as file:
            first = file.read(len(_SQLITE_START))
        if first == _SQLITE_START:
            raise UnusableInputError(
                f"a path means a journal, and {path} is a SQLite database: give --storage sqlite:///{path}"
            )
        if not _JOURNAL_START.startswith(first[: len(_JOURNAL_START)]):
            raise ValueError("not a journal")


def _set_torn_line_aside(path: Path) -> None:
    """Cut a last line without its end off, so that the next one does not run into it; the caller holds the lock."""
    if not path.exists():
        with path.open("ab"):
            return
    with path.open("r+b") as file:
        end = _end_of_last_line(path, file.seek(0, 2))
        start = _end_of_last_line(path, end - 1)
        file.seek(start)
        if end > start:
            json.loads(file.read(end - start))
        torn = file.read()
        if torn:
            with Path(f"{path}.torn").open("ab") as aside:
                aside.write(torn + b"\n")
            file.truncate(end)


def _end_of_last_line(path: Path, size: int, block: int = 1 << 16) -> int:
    """Of the first ``size`` bytes, how many go up to and with the last line feed."""
    with path.open("rb") as file:
        for start in range(max(0, size - block), -block, -block):
            file.seek(max(0, start))
            found = file.read(min(block, size - max(0, start))).rfind(b"\n")
            if found >= 0:
                return max(0, start) + found + 1
    return 0


def _damage(path: Path) -> str:
    """Which line of a journal is damaged, for the error that refuses it."""
    with path.open("rb") as file:
        damaged = next((number for number, line in enumerate(file, start=1) if not _is_operation(line)), None)
    if damaged is None:
        return "its lines do not fit together"
    return "it is not a journal of Optuna" if damaged == 1 else f"line {damaged} is damaged"


def _is_operation(line: bytes) -> bool:
    try:
        return "op_code" in json.loads(line)
    except (ValueError, TypeError):
        return False


def _database(url: str, *, write: bool) -> BaseStorage:
    place = _POSTGRESQL.sub("postgresql+psycopg://", url)
    options = {"connect_args": dict(NETWORK) if _POSTGRESQL.match(url) else {}, "pool_pre_ping": True}
    try:
        if not write and not _holds_tables(place, options):
            raise _nothing_at(masked(url))
        return RDBStorage(place, engine_kwargs=options, skip_table_creation=not write)
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
        raise _unusable_database("open", url, error) from None


_REMEDIES_OF_SQLITE = {
    "database is locked": "another program writes to it: try again when it has ended",
    "unable to open database file": "give --storage a path in a folder that is there and may be written",
    "Invalid SQLite URL": "write sqlite:///PATH, with three slashes",
    "readonly database": "give --storage a writable path",
    "disk is full": "make room on that disk",
}
"""What SQLite says -> what to do; of anything else it is damaged."""


def _unusable_database(verb: str, url: str, error: Exception) -> UnusableInputError:
    """The error that refuses a database; what Optuna says of a failed statement leaves its cause out."""
    what = reason(error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error)
    remedy = "give --storage a database that can be reached"
    if url.startswith("sqlite"):
        known = (remedy for text, remedy in _REMEDIES_OF_SQLITE.items() if text in what)
        remedy = next(known, "restore it from a copy, or give another --storage")
    return UnusableInputError(f"cannot {verb} the storage {masked(url)}: {what}: {remedy}")


def _holds_tables(place: str, options: Mapping[str, Any]) -> bool:
    """Whether a database holds Optuna's tables: a reader makes none, nor the file of an SQLite database."""
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
    """What a database said, in one line without passwords."""
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return masked(re.sub(r"^\([\w.]+\)\s*", "", text)).rstrip(". ")
