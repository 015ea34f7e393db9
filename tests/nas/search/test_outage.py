from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import IntegrityError, OperationalError, PendingRollbackError

from nas.search.outage import StorageLostError, is_outage, outlast

AWAY, BACK = "the storage does not answer: the search resumes when it does", "the storage answers again"


class Clock:
    """Time passes only in sleep."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("nas.search.outage.time.sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Resume:
    """Raises the given errors, one a call, then works."""

    def __init__(self, *errors: Exception) -> None:
        self.calls = 0
        self._errors: Iterator[Exception] = iter(errors)

    def __call__(self) -> None:
        self.calls += 1
        if (error := next(self._errors, None)) is not None:
            raise error


def test_a_storage_that_comes_back_is_waited_for(clock: Clock) -> None:
    notes: list[str] = []
    resume = Resume(StorageLostError("away"), StorageLostError("away"))
    outlast(StorageLostError("away"), resume, notes=notes, clock=clock)
    assert resume.calls == 3
    assert clock.now == 100.75, "a quarter of a second before each try"
    assert notes == [AWAY, BACK]


def test_what_is_no_outage_is_raised_at_once(clock: Clock) -> None:
    notes: list[str] = []
    resume = Resume()
    with pytest.raises(ValueError, match=r"^not a storage$"):
        outlast(ValueError("not a storage"), resume, notes=notes, clock=clock)
    assert (resume.calls, clock.now, notes) == (0, 100.0, [])


def test_another_error_while_it_waits_ends_the_waiting(clock: Clock) -> None:
    notes: list[str] = []
    resume = Resume(StorageLostError("away"), ValueError("taken over"))
    with pytest.raises(ValueError, match=r"^taken over$"):
        outlast(StorageLostError("away"), resume, notes=notes, clock=clock)
    assert (resume.calls, notes) == (2, [AWAY])


def test_a_storage_that_stays_away_is_given_up_after_ten_minutes(clock: Clock) -> None:
    notes: list[str] = []
    resume = Resume(*(StorageLostError(f"away, try {number}") for number in range(1, 10_000)))
    with pytest.raises(StorageLostError, match=r"^away, try 2400$"):
        outlast(StorageLostError("away"), resume, notes=notes, clock=clock)
    assert resume.calls == 600 / 0.25
    assert notes == [AWAY]


def used_after_its_connection_was_lost() -> Exception:
    """What SQLAlchemy raises for a transaction whose connection a server ended, as it does to a suspended driver."""
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
        connection.invalidate()
        with pytest.raises(PendingRollbackError, match="Can't reconnect until invalid transaction") as caught:
            connection.execute(sqlalchemy.text("SELECT 1"))
        connection.rollback()
    return caught.value


def test_only_a_server_that_is_away_is_an_outage() -> None:
    def wrapped(original: Exception) -> StorageInternalError:
        error = StorageInternalError("commit failed")
        error.__cause__ = OperationalError("COMMIT", None, original)
        return error

    assert is_outage(StorageLostError("gone"))
    assert is_outage(wrapped(psycopg.OperationalError("server closed the connection")))
    assert is_outage(wrapped(psycopg.errors.AdminShutdown()))
    assert is_outage(used_after_its_connection_was_lost())
    assert not is_outage(wrapped(psycopg.errors.DiskFull()))
    assert not is_outage(wrapped(sqlite3.OperationalError("attempt to write a readonly database")))
    assert not is_outage(OSError("No space left on device"))
    assert not is_outage(IntegrityError("INSERT", None, psycopg.errors.UniqueViolation()))
