from __future__ import annotations

import errno
import os
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage

from constraints.errors import UnusableInputError
from nas.search.storage import close_storage, open_storage
from nas.search.study_opening import open_study


def test_reading_makes_no_storage(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match="nothing was launched here"):
        open_storage(str(tmp_path / "none" / "journal.log"))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_entered_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> None:  # root may enter every folder
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "stat", forbidden)
    with pytest.raises(UnusableInputError, match=r"cannot open the storage .*journal.log: Permission denied: give"):
        open_storage(str(tmp_path / "journal.log"))


def test_the_errors_of_those_who_use_a_study_are_their_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    storage = open_storage(url, write=True)
    optuna.create_study(storage=storage, study_name="s")
    close_storage(storage)
    with pytest.raises(ValueError, match="mine"), open_study(url, "s"):
        raise ValueError("mine")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("{folder}", "the storage is a folder: {folder}: give --storage the path of a journal file"),
        ("/dev/zero", "the storage is a pipe or a device: /dev/zero: give --storage the path of a journal file"),
        ("/proc/none/journal.log", "cannot open the storage /proc/none/journal.log: "),
        ("nope://somewhere/db", "cannot open the storage nope://somewhere/db: Can't load plugin"),
        ("postgresql://me:secret@127.0.0.1:1/db", "cannot open the storage postgresql://me:***@127.0.0.1:1/db: "),
        ("sqlite:////proc/none/s.db", "cannot open the storage sqlite:////proc/none/s.db: unable to open"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_one_line(tmp_path: Path, place: str, message: str) -> None:
    if place.startswith("postgresql"):
        pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed")
    with pytest.raises(UnusableInputError) as caught:
        open_storage(place.format(folder=tmp_path), write=True)
    assert str(caught.value).startswith(message.format(folder=tmp_path))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["sqlite:x.db", "sqlite:/x.db", "postgresql:me:secret@h/d", "postgres+psycopg:/h"])
def test_a_url_without_its_slashes_is_no_name_of_a_journal(place: str) -> None:
    with pytest.raises(UnusableInputError, match=r"^no URL of a database: .*: write sqlite:///PATH or postgresql://"):
        open_storage(place, write=True)


def test_a_database_gets_its_connections_back(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/s.db", write=True)
    assert isinstance(storage, RDBStorage)
    storage.get_all_studies()
    pool = storage.engine.pool
    close_storage(storage)
    assert storage.engine.pool is not pool
    close_storage(open_storage(str(tmp_path / "journal.log"), write=True))
