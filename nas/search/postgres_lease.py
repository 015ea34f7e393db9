"""One driver at a time on a study in PostgreSQL: a lease that expires by itself, and a check before every commit.

The lease is an advisory lock held by a separate session. The server ends a session that is silent for ``lapse``
seconds, and with it the lease, whether its driver was killed, stopped, suspended or disconnected; a live driver's
thread sends a heartbeat. A driver that lost its lease may not know it yet (it may have been stopped between checking
the clock and writing), so the storage's own transactions ask the server, just before they commit, whether the lease is
still held. They do so under a shared lock, and a driver that takes a lease waits until the transactions that asked
before end. This is a fencing token as in Kleppmann, Designing Data-Intensive Applications, 2017, chapter 8, with the
server's locks in place of a number.
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

from constraints.errors import UnusableInputError
from nas.search.database_storage import NETWORK, reason
from nas.search.outage import StorageLostError

if TYPE_CHECKING:
    import sqlalchemy
    from psycopg import Connection

LAPSE_SECONDS = 60.0
PINGS_PER_LAPSE = 6
_NAME_BYTES = 63
"""PostgreSQL's limit on the length of an application name."""
_HOLDER = """
    SELECT a.pid, a.application_name, host(a.client_addr), a.backend_start
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.datname = current_database()
    AND l.database = a.datid AND (l.classid::bigint << 32) | l.objid::bigint = {key}
"""


class LeaseLostError(StorageLostError):
    """The lease is not held at the moment; ``Lease.check`` takes it again or names its holder."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A session that holds a lease, as the server shows it; address and time of another role's session are hidden."""

    pid: int
    name: str
    address: str | None
    since: datetime | None

    def __str__(self) -> str:
        """The holder, for messages."""
        words = self.name.split()
        ours = len(words) == 4 and words[0] == "nas"
        host, process = (words[1], f"process {words[2]}") if ours else (self.name or "a session", f"backend {self.pid}")
        since = f"since {self.since.astimezone():%Y-%m-%d %H:%M:%S}" if self.since else None
        return f"{host} ({', '.join(filter(None, (process, self.address, since)))})"


class Lease:
    """Holds a study for one job from construction until ``release``; a context manager."""

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
        """Return if the lease is held, as far as this process knows; cheap.

        After a loss, the first call raises LeaseLostError, since the caller's state may be out of date. The next call
        takes the lease again, and raises LeaseLostError where the server cannot be reached, UnusableInputError where
        another driver holds the study now.
        """
        if self._connection is None:
            self._connection = self._take("was taken over by")
        elif self._connection.closed:
            self._connection = None
            raise self._lost()

    def guard(self, engine: sqlalchemy.Engine) -> None:
        """Make every commit through ``engine`` fail with LeaseLostError, and roll back, unless this lease is held."""
        from sqlalchemy import event

        self._guarded = engine
        engine.dispose()  # connections opened before have no time limit
        event.listen(engine, "connect", self._bound)
        event.listen(engine, "commit", self._fence)

    def release(self) -> None:
        """Release the study; commits are not checked any more."""
        self._released.set()
        if self._guarded is not None:
            from sqlalchemy import event

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
                # Wait for transactions that checked the former lease before we took it; no others can commit by it.
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
        import sqlalchemy

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
        """Raise UnusableInputError naming the holder of the lease; return if it is free now."""
        holder = self._holder(lambda query: connection.execute(query).fetchone())
        if holder is None:
            return
        if holder.name == self._name:  # our own lost session, which the server has not ended yet
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
        """Send heartbeats; a lost session is ``closed`` from then on."""
        import psycopg

        while not self._released.wait(self._lapse / PINGS_PER_LAPSE):
            connection = self._connection
            if connection is not None:
                with suppress(psycopg.Error):
                    connection.execute("SELECT 1")

    def _bound(self, connection: Any, _: object) -> None:
        """Make the server end a transaction whose driver stops inside it, which frees the locked rows."""
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {round(self._lapse * 1000)}")
        connection.commit()

    def _fence(self, connection: sqlalchemy.Connection) -> None:
        """Raise LeaseLostError in a transaction that is about to commit while the lease is not held."""
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
    """Whether a driver holds the lease of ``study`` in the database at ``place``; None if the server is unreachable."""
    import sqlalchemy

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
    """A 64-bit key for PostgreSQL's advisory locks."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
