"""A journal file as a storage of studies, with a lock that is released when its holder dies."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock
from optuna.storages import BaseStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from constraints.errors import UnusableInputError
from nas.optuna_private import GroupedJournal
from nas.search.stored import LineOperation

_JOURNAL_START = b'{"op_code":'
_SQLITE_START = b"SQLite format 3\0"
_OF_A_PROPOSAL = {
    LineOperation.CREATE_TRIAL,
    LineOperation.SET_TRIAL_PARAM,
    LineOperation.SET_TRIAL_USER_ATTR,
    LineOperation.SET_TRIAL_SYSTEM_ATTR,
}
"""Operations without fsync: there are dozens per proposal, and an fsync each would dominate its time."""


def open_journal(path: Path, *, write: bool) -> BaseStorage:
    """The storage of a journal file, which ``write`` makes where it is missing; raises UnusableInputError."""
    lock = FileLock(f"{path}.lock")
    try:
        _refuse_other_files(path)
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            with lock:
                _set_torn_line_aside(path)
        journal = _Journal(path, lock)
        return GroupedJournal(journal, journal.together)
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
        self._file, self._written = _identity(path), 0
        self._open: BinaryIO | None = None

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """The lines from that number on; LookupError where one refers to a study or trial that was never created."""
        self._check_file()
        if log_number_from == 0:
            self._read, self._trials, self._studies, self._has_deleted = 0, 0, 0, False
        for number, log in enumerate(self._reader.read_logs(log_number_from), start=log_number_from):
            if number == self._read:
                self._check(log)
                self._read += 1
            yield log

    def _check(self, log: Mapping[str, Any]) -> None:
        """Count studies and trials; lines about a deleted study may be invalid, and Optuna ignores them."""
        op = log["op_code"]
        self._studies += op == LineOperation.CREATE_STUDY
        if log.get("study_id", -1) >= self._studies:
            raise LookupError(f"study {log['study_id']} was never made: lines are lost")
        self._trials += op == LineOperation.CREATE_TRIAL
        self._has_deleted |= op == LineOperation.DELETE_STUDY
        if log.get("trial_id", -1) >= self._trials and not self._has_deleted:
            raise LookupError(f"trial {log['trial_id']} was never made: lines are lost")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hold the lock, which takes longer than the writing, for all lines that are appended within the block."""
        if self._open is not None:
            yield
            return
        with self._lock:
            self._check_file()
            with self._path.open("ab") as file:
                self._open = file
                try:
                    yield
                finally:
                    self._open = None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append whole lines, while this process holds the lock; other processes see them at once."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with self.together():
            file = self._open
            assert file is not None
            file.write(lines.encode())
            file.flush()
            self._written = file.tell()
            if not all(log["op_code"] in _OF_A_PROPOSAL for log in logs):
                os.fsync(file.fileno())

    def _check_file(self) -> None:
        """Raise UnusableInputError where the file was replaced or truncated since it was opened."""
        now = _identity(self._path)
        if now is None or now != self._file or self._path.stat().st_size < self._written:
            raise UnusableInputError(
                f"the journal {self._path} was removed, replaced or cut while it is in use: restore it, and launch "
                "again, which resumes the study"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file, which change when it is replaced; None where it does not exist."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


def _refuse_other_files(path: Path) -> None:
    """Raise ValueError for a file that is not a journal, before a lock file is written beside it."""
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
    """Cut off an incomplete last line, so that the next one is not appended to it; the caller holds the lock."""
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
    """How many of the first ``size`` bytes end with the last line feed."""
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
    except (ValueError, TypeError, RecursionError):
        return False
