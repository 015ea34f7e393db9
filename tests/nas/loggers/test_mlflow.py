"""Where MLflow's store is, as a user sees it; tests/nas/search/test_tracked_store.py reads its content."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from constraints.errors import UnusableInputError
from nas.loggers.choice import tracker


@pytest.mark.parametrize(
    ("store", "place"),
    [
        ("sqlite:///{}/m.db", "in sqlite:///{}/m.db: mlflow ui --backend-store-uri sqlite:///{}/m.db shows it"),
        ("http://me:sec/ret@host:5000/x", "in http://me:***@host:5000/x"),
    ],
)
def test_the_store_is_named_without_a_password(
    store: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient  # which loads for seconds

    from nas.loggers.mlflow import MLflow

    monkeypatch.setattr(MlflowClient, "search_experiments", lambda *_, **__: [])  # no server is asked
    assert MLflow(store.format(tmp_path)).place == place.format(tmp_path, tmp_path)


@contextmanager
def hanging_up() -> Iterator[tuple[int, list[object]]]:
    """A server that closes every connection: its port, and an item for each connection so far."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections: list[object] = []

        def serve() -> None:
            while True:
                try:
                    connection, peer = server.accept()
                except OSError:
                    return
                connections.append(peer)
                connection.close()

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], connections
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_database_that_does_not_work_is_asked_once_and_refused_in_one_line(tmp_path: Path) -> None:
    with hanging_up() as (port, connections):
        where = f"mlflow:postgresql+psycopg://me:secret@127.0.0.1:{port}/x"
        with pytest.raises(UnusableInputError) as caught:
            tracker(where)
    assert len(connections) == 1
    shown = where.replace("secret", "***")
    assert str(caught.value).startswith("cannot log to mlflow: ")
    assert str(caught.value).endswith(f": give another place, or leave out --log {shown}")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    (tmp_path / "m.db").write_bytes(b"no database" * 100)
    with pytest.raises(UnusableInputError, match=r"cannot log to mlflow: .*file is not a database"):
        tracker(f"mlflow:sqlite:///{tmp_path}/m.db")


def test_a_missing_driver_is_named() -> None:
    where = "mlflow:mysql://me:secret@127.0.0.1/x"
    with pytest.raises(UnusableInputError, match=re.escape("MySQLdb is not installed: --log mlflow:mysql://me:***@")):
        tracker(where)
