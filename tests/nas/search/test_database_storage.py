from __future__ import annotations

import os
import re
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.results.summary_cache import read_summary
from nas.search.storage import close_storage, open_storage
from nas.search.study_opening import open_study


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with a study of three trials."""
    path = tmp_path_factory.mktemp("written") / "s.db"
    storage = open_storage(f"sqlite:///{path}", write=True)
    study = optuna.create_study(storage=storage, study_name="s")
    for _ in range(3):
        trial = study.ask()
        trial.set_user_attr("architecture", "x" * 999)
        study.tell(trial, 0.5)
    close_storage(storage)
    return path.read_bytes()


@pytest.fixture
def database_file(tmp_path: Path, written: bytes) -> Path:
    path = tmp_path / "s.db"
    path.write_bytes(written)
    return path


def read_whole(url: str) -> None:
    with open_study(url, "s") as study:
        assert len(study.trials) == 3


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty_pages(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:20_480] + bytes(40_960) + content[61_440:])


def other_text(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("update trial_user_attributes set value_json = '{'")
    connection.close()


def other_kind(path: Path) -> None:
    path.write_bytes(os.urandom(3000))


@pytest.mark.parametrize("damage", [cut, empty_pages, other_text, other_kind])
@pytest.mark.parametrize("read", [read_whole, lambda url: read_summary(url, "s")])
def test_a_damaged_database_is_one_line(
    database_file: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None], read: Callable[[str], None]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(database_file.parent / "cache"))
    damage(database_file)
    url = f"sqlite:///{database_file}"
    with pytest.raises(
        UnusableInputError, match=rf"^cannot (open|read) the storage {url}: .+: restore it from a copy,"
    ):
        read(url)


def test_a_database_of_others_holds_no_study_and_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table notes (text)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(UnusableInputError, match=r"^no storage at sqlite"):
        open_storage(f"sqlite:///{path}")
    assert path.read_bytes() == before
    for write in (False, True):
        with pytest.raises(
            UnusableInputError, match=rf"^a path means a journal, and .*: give --storage sqlite:///{path}$"
        ):
            open_storage(str(path), write=write)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("sqlite://x.db", r"Invalid SQLite URL: sqlite://x.db: write sqlite:///PATH, with three slashes"),
        ("sqlite:////proc/none/x.db", "file: give --storage a path in a folder that is there and may be written"),
        ("oracle+none://u@h/x", "give --storage a database that can be reached"),
        ("mssql://u:secret@h/x", "pyodbc is not installed: install the package that holds it, or give --storage a"),
    ],
)
def test_what_to_do_follows_from_what_is_wrong_with_a_database(url: str, remedy: str) -> None:
    with pytest.raises(UnusableInputError, match=re.escape(remedy)) as caught:
        open_storage(url, write=True)
    assert "secret" not in str(caught.value)


def test_a_database_that_another_program_writes_to_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    close_storage(open_storage(url, write=True))
    monkeypatch.setattr(sqlite3.dbapi2, "connect", partial(sqlite3.dbapi2.connect, timeout=0))  # seconds, for 5
    with sqlite3.connect(tmp_path / "s.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnusableInputError, match="database is locked: another program writes to it: try again"):
            open_storage(url)
    close_storage(open_storage(url))


def test_several_that_make_a_database_at_once_all_open_it(tmp_path: Path) -> None:
    url, begin = f"sqlite:///{tmp_path}/s.db", Barrier(4)

    def opened(name: str) -> None:
        begin.wait()
        storage = open_storage(url, write=True)
        optuna.create_study(storage=storage, study_name=name)
        close_storage(storage)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(opened, "abcd"))
    assert sorted(optuna.get_all_study_names(url)) == ["a", "b", "c", "d"]


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UnusableInputError) as caught:
        open_storage("postgresql://me:secret@localhost/db", write=True)
    assert "psycopg[binary] is not installed: pip install 'psycopg[binary]'" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_reader_makes_no_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/typo.db"
    for place in (url, f"sqlite:///{tmp_path}/none/typo.db"):
        with pytest.raises(UnusableInputError, match=r"^no storage at sqlite:.*typo.db: nothing was launched here"):
            open_storage(place)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "typo.db").touch()
    with pytest.raises(UnusableInputError, match="nothing was launched here"):
        open_storage(url)
    assert (tmp_path / "typo.db").stat().st_size == 0


def test_a_reader_makes_no_tables_on_a_server(database: str) -> None:
    import psycopg

    with pytest.raises(UnusableInputError, match="nothing was launched here"):
        open_storage(database)
    with psycopg.connect(database) as connection:
        tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        assert connection.execute(tables).fetchone() == (0,)
