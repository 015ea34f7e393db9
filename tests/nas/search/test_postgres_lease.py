from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import psycopg
import pytest
from optuna.storages import RDBStorage

from constraints.errors import UnusableInputError
from nas.search.postgres_lease import Lease, LeaseLostError
from nas.search.storage import open_storage

optuna.logging.set_verbosity(optuna.logging.ERROR)
LAPSE = 1.0
PATIENCE = 540.0
"""Seconds within which something happens on any machine."""
ROOT = Path(__file__).parents[3]
HOLD = """
import sys, time
sys.path.insert(0, {root!r})
from nas.search.postgres_lease import Lease
with Lease({url!r}, "s", lapse={lapse}) as lease:
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def holding(url: str, lapse: float = LAPSE) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds study s, as a driver on another machine would."""
    code = HOLD.format(root=str(ROOT), url=url, lapse=lapse)
    process = subprocess.Popen([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def take(url: str) -> Lease:
    """A lease as soon as it can be had."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return Lease(url, "s", lapse=LAPSE)
        except UnusableInputError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def guarded(url: str, lease: Lease) -> tuple[RDBStorage, optuna.Study]:
    storage = open_storage(url, write=True)
    assert isinstance(storage, RDBStorage)
    lease.guard(storage.engine)
    return storage, optuna.create_study(storage=storage, study_name="s", load_if_exists=True)


def attributes(url: str) -> dict[str, Any]:
    return optuna.load_study(storage=open_storage(url), study_name="s").user_attrs


def cut(lease: Lease) -> None:
    """End the lease's session at the server, as a restart or an administrator does; its process hears nothing."""
    with psycopg.connect(lease._place, autocommit=True) as connection:
        while connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [lease._name]
        ).fetchall():
            time.sleep(0.01)


def unheld(lease: Lease) -> str:
    """Why the lease is not held, once that is known; its thread may take a moment to notice."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            lease.check()
        except LeaseLostError as error:
            return str(error)
    return "held"


def test_a_second_one_is_refused_with_its_holder_and_takes_over_when_that_is_killed(database: str) -> None:
    with holding(database, lapse=60) as other:
        with pytest.raises(UnusableInputError) as caught:
            Lease(database, "s", lapse=LAPSE)
        name = os.uname().nodename
        assert str(caught.value).startswith(
            f"study 's' is held by another driver: {name} (process {other.pid}, 127.0.0.1, since 20"
        )
        assert str(caught.value).endswith(
            "): launch again when it has ended (where it died, at most 1 s from then), or take another --study"
        )
        with Lease(database, "s", "confirm"), Lease(database, "t"):
            pass  # another job, another study
        other.kill()
        take(database).release()


def test_a_live_one_keeps_it_for_many_lapses(database: str) -> None:
    with Lease(database, "s", lapse=4.0) as lease:  # of which a busy machine may take half
        time.sleep(9)
        lease.check()
        with pytest.raises(UnusableInputError, match=f"process {os.getpid()}"):
            Lease(database, "s")


def test_a_stopped_one_loses_it_after_the_lapse_and_not_before(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as server, holding(database, lapse=4.0) as other:
        heard = server.execute(
            "SELECT state_change FROM pg_stat_activity WHERE application_name LIKE 'nas %'"
            " AND datname = current_database()"
        )
        last = heard.fetchall()  # it may be heard again before it is stopped: the lapse is counted from then or later
        os.kill(other.pid, signal.SIGSTOP)
        take(database).release()
        now = server.execute("SELECT clock_timestamp()").fetchall()
    assert len(last) == 1
    assert (now[0][0] - last[0][0]).total_seconds() >= 4.0


def test_what_is_written_after_the_loss_is_refused_and_the_database_as_it_was(database: str) -> None:
    first = Lease(database, "s")
    storage, study = guarded(database, first)
    study.set_user_attr("a", "first")
    cut(first)
    second = Lease(database, "s")
    guarded(database, second)[1].set_user_attr("a", "second")
    with pytest.raises(LeaseLostError, match="the lease of study 's' is lost"):
        study.set_user_attr("a", "late")
    with pytest.raises(LeaseLostError):
        study.ask()
    assert attributes(database) == {"a": "second"}
    with pytest.raises(LeaseLostError):
        first.check()
    with pytest.raises(UnusableInputError, match=r"study 's' was taken over by another driver: .*: launch again when"):
        first.check()
    second.release()
    first.check()
    study.set_user_attr("a", "first again")
    assert attributes(database) == {"a": "first again"}
    assert not optuna.load_study(storage=storage, study_name="s").trials
    first.release()


def test_a_transaction_that_was_open_when_the_lease_went_does_not_commit(database: str) -> None:
    first = Lease(database, "s")
    storage, study = guarded(database, first)
    study.set_user_attr("a", 1)
    with storage.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE study_user_attributes SET value_json = '2'")
        cut(first)
        with Lease(database, "s"), pytest.raises(LeaseLostError):
            connection.commit()
    assert attributes(database) == {"a": 1}
    first.release()


def test_the_next_holder_waits_for_the_transactions_that_asked_before(database: str) -> None:
    first = Lease(database, "s")
    storage, study = guarded(database, first)
    study.set_user_attr("a", 1)
    taken = threading.Event()
    seen = []

    def follow() -> None:
        with take(database):
            seen.append(attributes(database)["a"])
            taken.set()

    with storage.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE study_user_attributes SET value_json = '2'")
        first._fence(connection)  # what the commit does first; the process is then stopped, say
        cut(first)
        thread = threading.Thread(target=follow)
        thread.start()
        assert not taken.wait(0.5)
        connection.connection.dbapi_connection.commit()  # type: ignore[union-attr]
        thread.join(PATIENCE)
    assert seen == [2]
    first.release()


def test_a_driver_that_is_stopped_within_a_transaction_locks_no_other_out(database: str) -> None:
    with Lease(database, "s") as first:  # the tables take longer than a short one has, where much else runs
        guarded(database, first)[1].set_user_attr("a", 1)
    storage = open_storage(database, write=True)
    assert isinstance(storage, RDBStorage)
    with Lease(database, "s", lapse=LAPSE) as second:
        second.guard(storage.engine)
        connection = storage.engine.connect()
        started = time.monotonic()  # the server counts from when it has answered, which is later
        connection.exec_driver_sql("SELECT * FROM study_user_attributes FOR UPDATE")
        with psycopg.connect(database) as other:
            other.execute("SET lock_timeout = '300s'")
            other.execute("UPDATE study_user_attributes SET value_json = '2'")
        assert time.monotonic() - started > LAPSE - 0.1
        connection.invalidate()
        connection.close()


def test_what_was_released_is_guarded_no_more(database: str) -> None:
    lease = Lease(database, "s")
    _, study = guarded(database, lease)
    lease.release()
    with Lease(database, "s"):
        study.set_user_attr("a", 1)
    assert attributes(database) == {"a": 1}


def test_a_restarted_server_costs_the_lease_for_a_moment(postgresql: Any, database: str) -> None:
    with Lease(database, "s", lapse=LAPSE) as lease:
        _, study = guarded(database, lease)
        postgresql.stop()
        try:
            with pytest.raises(optuna.exceptions.StorageInternalError):
                study.set_user_attr("a", 1)
            assert unheld(lease) == "the lease of study 's' is lost"
            assert "Connection refused" in unheld(lease)
        finally:
            postgresql.start()
        lease.check()
        study.set_user_attr("a", 2)
    assert attributes(database) == {"a": 2}


def test_our_own_session_that_only_we_hold_for_lost_is_ended(database: str) -> None:
    with Lease(database, "s") as lease:
        before = lease._connection
        lease._connection = None  # the error came from the network; the server does not know of it
        lease.check()
        assert before is not None
        with pytest.raises(psycopg.OperationalError):
            before.execute("SELECT 1")
        assert lease._connection is not None
        assert lease._connection.execute("SELECT 1").fetchone() == (1,)


def test_a_server_that_is_not_there_is_one_line_without_the_password() -> None:
    with pytest.raises(LeaseLostError) as caught:
        Lease("postgresql://me:secret@127.0.0.1:1/db", "s")
    assert "Connection refused" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
