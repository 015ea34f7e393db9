"""One driver at a time on a study in PostgreSQL: a lease that lapses by itself, and a fence around every write.

The lease is an advisory lock of a session of its own. The server ends a session that says nothing for ``lapse``
seconds, and with it the lease, whether its driver was killed, stopped, suspended or cut off; a live driver's thread
keeps it. A driver that lost its lease need not know of that yet (it may have been stopped between a look at the clock
and a write), so the storage's own transactions ask the server, just before they commit, whether the lease still holds.
They do so below a shared lock, and a driver that takes a lease waits until the transactions that asked before it end.
This is a fencing token as in Kleppmann, Designing Data-Intensive Applications, 2017, chapter 8, with the server's
locks in place of a number.
"""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy
from sqlalchemy import event

from constraints.errors import UnusableInputError
from nas.search.database_storage import NETWORK, reason
from nas.search.outage import StorageLostError

if TYPE_CHECKING:
    from psycopg import Connection

LAPSE_SECONDS = 60.0
PINGS_PER_LAPSE = 6
_NAME_BYTES = 63
"""As much of an application's name as PostgreSQL keeps."""
_HOLDER = """
    SELECT a.pid, a.application_name, host(a.client_addr), a.backend_start
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.datname = current_database()
    AND l.database = a.datid AND (l.classid::bigint << 32) | l.objid::bigint = {key}
"""


class LeaseLostError(StorageLostError):
    """The lease is not held, for now at least; ``Lease.check`` takes it again or names its holder."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A session that holds a lease, as the server knows it; another role's address and time are hidden from us."""

    pid: int
    name: str
    address: str | None
    since: datetime | None

    def __str__(self) -> str:
        """The holder as messages name it."""
        words = self.name.split()
        ours = len(words) == 4 and words[0] == "nas"
        host, process = (words[1], f"process {words[2]}") if ours else (self.name or "a session", f"backend {self.pid}")
        since = f"since {self.since.astimezone():%Y-%m-%d %H:%M:%S}" if self.since else None
        return f"{host} ({', '.join(filter(None, (process, self.address, since)))})"


class Lease:
    """Holds a study, for one job, from construction to ``release``; a context manager."""

    def __init__(self, place: str, study: str, job: str = "driver", *, lapse: float = LAPSE_SECONDS) -> None:
        """Take the lease of ``study`` in the PostgreSQL database at the URL ``place``.

        Raises UnusableInputError, which names the holder, where another driver holds it, and LeaseLostError where the
        server cannot be reached. ``lapse`` is in seconds.
        """
        self._place, self._study, self._job, self._lapse = place, study, job, lapse
        self._key, self._fence_key = (_key(f"nas {purpose} {job} {study}") for purpose in ("lease", "fence"))
        ending = f" {os.getpid()} {secrets.token_hex(4)}"
        host = "".join(platform.node().split()) or "unknown"
        self._name = f"nas {host[: _NAME_BYTES - len('nas ' + ending)]}{ending}"
        self._guarded: sqlalchemy.Engine | None = None
        self._released = threading.Event()
        self._connection: Connection | None = self._take("is held by")
        threading.Thread(target=self._keep, name="lease", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def check(self) -> None:
        """Return where the lease is held, as far as this process knows; a cheap call.

        After a loss the first call raises LeaseLostError: what the caller knows of the study may be out of date. The
        next call takes the lease again, and raises LeaseLostError where the server cannot be reached,
        UnusableInputError where another holds the study by now.
        """
        if self._connection is None:
            self._connection = self._take("was taken over by")
        elif self._connection.closed:
            self._connection = None
            raise self._lost()

    def guard(self, engine: sqlalchemy.Engine) -> None:
        """Let nothing commit through ``engine`` unless this lease holds: LeaseLostError, and the database as it was."""
        self._guarded = engine
        engine.dispose()  # what is open already was not bounded
        event.listen(engine, "connect", self._bound)
        event.listen(engine, "commit", self._fence)

    def release(self) -> None:
        """Let the study go; nothing is guarded any more."""
        self._released.set()
        if self._guarded is not None:
            event.remove(self._guarded, "connect", self._bound)
            event.remove(self._guarded, "commit", self._fence)
            self._guarded = None
        if self._connection is not None:
            self._connection.close()

    def _take(self, verb: str) -> Connection:
        import psycopg

        try:
            connection = self._connect()
            try:
                while not self._try_lock(connection):
                    self._refuse(connection, verb)
                # What committed by the former lease asked before we had it, and is waited for; nothing else will.
                connection.execute(f"SELECT pg_advisory_lock({self._fence_key})")
                connection.execute(f"SELECT pg_advisory_unlock({self._fence_key})")
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            raise LeaseLostError(reason(error)) from error
        return connection

    def _connect(self) -> Connection:
        """A session that the server ends after ``lapse`` seconds of silence (PostgreSQL 14 and later)."""
        import psycopg

        url = sqlalchemy.make_url(self._place).set(drivername="postgresql+psycopg")
        _, options = url.get_dialect()().create_connect_args(url)
        given: dict[str, Any] = {**NETWORK, **options, "application_name": self._name}
        connection = psycopg.connect(**given, autocommit=True)
        connection.execute(
            "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = 'idle_session_timeout'",
            [str(round(self._lapse * 1000))],
        )
        return connection

    def _try_lock(self, connection: Connection) -> bool:
        row = connection.execute(f"SELECT pg_try_advisory_lock({self._key})").fetchone()
        return row is not None and bool(row[0])

    def _refuse(self, connection: Connection, verb: str) -> None:
        """Raise UnusableInputError that names the holder of the lease; return where it is free by now."""
        holder = self._holder(lambda query: connection.execute(query).fetchone())
        if holder is None:
            return
        if holder.name == self._name:  # our own session: we lost the connection, the server has not noticed yet
            connection.execute("SELECT pg_terminate_backend(%s)", [holder.pid])
            time.sleep(0.05)
            return
        raise UnusableInputError(
            f"study {self._study!r} {verb} another {self._job}: {holder}: launch again when it has ended "
            f"(where it died, at most {self._lapse:g} s from then), or take another --study"
        )

    def _holder(self, ask: Callable[[str], Any]) -> Holder | None:
        row = ask(_HOLDER.format(key=self._key))
        return Holder(pid=row[0], name=row[1], address=row[2], since=row[3]) if row else None

    def _keep(self) -> None:
        """Say something often enough; a session that is lost is ``closed`` from then on."""
        import psycopg

        while not self._released.wait(self._lapse / PINGS_PER_LAPSE):
            connection = self._connection
            if connection is not None:
                with suppress(psycopg.Error):
                    connection.execute("SELECT 1")

    def _bound(self, connection: Any, _: object) -> None:
        """Let the server end a transaction of a driver that is stopped within it, and free the rows that it locked."""
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {round(self._lapse * 1000)}")
        connection.commit()

    def _fence(self, connection: sqlalchemy.Connection) -> None:
        """Raise LeaseLostError in a transaction that is about to commit without the lease."""
        own = self._connection
        if own is not None and not own.closed:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({self._fence_key})")
            holder = self._holder(lambda query: connection.exec_driver_sql(query).fetchone())
            if holder is not None and holder.name == self._name:
                return
            own.close()
        raise self._lost()

    def _lost(self) -> LeaseLostError:
        return LeaseLostError(f"the lease of study {self._study!r} is lost")


def is_leased(place: str, study: str, job: str = "driver") -> bool | None:
    """Whether a driver holds the lease of ``study`` in the database at ``place``; None where the server is away."""
    url = sqlalchemy.make_url(place).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(url, connect_args=dict(NETWORK))
    try:
        with engine.connect() as connection:
            query = _HOLDER.format(key=_key(f"nas lease {job} {study}"))
            return connection.exec_driver_sql(query).fetchone() is not None
    except sqlalchemy.exc.SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def _key(text: str) -> int:
    """A key of 64 bits, as PostgreSQL's advisory locks have them."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
