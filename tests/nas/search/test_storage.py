from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import optuna
import psycopg
import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import IntegrityError, OperationalError, PendingRollbackError

from constraints.errors import UnusableInputError
from nas.results.summary_cache import read_summary
from nas.search.storage import StorageLostError, close_storage, is_outage, masked, open_storage, run_folder
from nas.search.study import open_study

optuna.logging.set_verbosity(optuna.logging.ERROR)


def journal_of(folder: Path, trials: int) -> Path:
    path = folder / "journal.log"
    study = optuna.create_study(storage=open_storage(str(path), write=True), study_name="s")
    for i in range(trials):
        study.tell(study.ask(), float(i))
    return path


def values(path: Path, *, write: bool = False) -> list[float]:
    trials = optuna.load_study(storage=open_storage(str(path), write=write), study_name="s").trials
    return [t.values[0] for t in trials if t.values]


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_a_half_written_last_line_costs_that_line_only(tmp_path: Path, cut: int) -> None:
    path = journal_of(tmp_path, 3)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[:-cut])
    assert values(path) == [0.0, 1.0]
    assert path.read_bytes() == whole[:-cut], "a reader leaves the journal as it is"
    study = optuna.load_study(storage=open_storage(str(path), write=True), study_name="s")
    study.tell(study.ask(), 9.0)
    assert values(path) == [0.0, 1.0, 9.0]
    assert Path(f"{path}.torn").read_bytes() == last[:-cut] + b"\n"


def test_the_disk_is_waited_for_at_an_epoch_and_an_end_and_not_at_every_parameter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, fsync, path = [], os.fsync, journal_of(tmp_path, 0)

    def keep(file: int) -> None:
        fsync(file)
        sizes.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", keep)
    study = optuna.load_study(storage=open_storage(str(path), write=True), study_name="s")
    trial = study.ask({f"x{number}": optuna.distributions.IntDistribution(0, 9) for number in range(20)})
    trial.set_user_attr("curve", [1])
    assert sizes == []
    trial.report(0.5, 1)
    assert sizes == [path.stat().st_size], "the epoch and all before it"
    study.tell(trial, 0.5)
    assert len(sizes) == 2
    study.set_user_attr("confirmed:0", 0.5)
    assert sizes[2:] == [path.stat().st_size]
    assert values(path) == [0.5]


def test_a_journal_cut_in_its_first_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(b'{"op_c')
    open_storage(str(path), write=True)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("damage", [b"\0\0\0\0\n", b'{"op_code": 4, "wor\n'])
@pytest.mark.parametrize("line", [1, 2, -1])
def test_a_damaged_whole_line_is_refused_and_nothing_overwritten(tmp_path: Path, damage: bytes, line: int) -> None:
    path = journal_of(tmp_path, 2)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = damage
    path.write_bytes(b"".join(lines))
    number = line + 1 if line >= 0 else len(lines)
    with pytest.raises(UnusableInputError, match=f"cannot read the storage {path}: line {number} is damaged"):
        open_storage(str(path), write=True)
    assert path.read_bytes() == b"".join(lines)


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("milk\neggs")
    with pytest.raises(UnusableInputError, match="it is not a journal of Optuna"):
        open_storage(str(path), write=True)
    assert path.read_text() == "milk\neggs"


def test_a_long_last_line_is_found_across_blocks(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    study = optuna.create_study(storage=open_storage(str(path), write=True), study_name="s")
    study.set_user_attr("long", "x" * 200_000)
    with path.open("ab") as file:
        file.write(b'{"op_code":' + b"y" * 150_000)
    loaded = optuna.load_study(storage=open_storage(str(path), write=True), study_name="s")
    assert len(loaded.user_attrs["long"]) == 200_000
    loaded.set_user_attr("after", 1)
    assert optuna.load_study(storage=open_storage(str(path)), study_name="s").user_attrs["after"] == 1


def test_the_lock_of_a_killed_writer_is_free_at_once(tmp_path: Path) -> None:
    path = journal_of(tmp_path, 0)
    code = (
        "import os, signal; from filelock import FileLock\n"
        f"FileLock({str(path) + '.lock'!r}).acquire(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    optuna.load_study(storage=open_storage(str(path), write=True), study_name="s").set_user_attr("a", 1)


def test_reading_makes_no_storage(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match="nothing was launched here"):
        open_storage(str(tmp_path / "none" / "journal.log"))
    assert not list(tmp_path.iterdir())


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


def test_the_errors_of_those_who_use_a_study_are_their_own(database_file: Path) -> None:
    with pytest.raises(ValueError, match="mine"), open_study(f"sqlite:///{database_file}", "s"):
        raise ValueError("mine")


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
    ("place", "message"),
    [
        ("{folder}", "cannot open the storage {folder}: Is a directory: give --storage a writable path"),
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


def test_a_journal_that_lost_its_study_is_not_begun_anew(tmp_path: Path) -> None:
    path = journal_of(tmp_path, 1)
    optuna.create_study(storage=open_storage(str(path), write=True), study_name="second").set_user_attr("a", 1)
    lines = path.read_bytes().splitlines(keepends=True)
    for lost in [number for number, line in enumerate(lines) if line.startswith(b'{"op_code":0')]:
        path.write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
        for write in (False, True):
            with pytest.raises(UnusableInputError, match=r"journal.log: its lines do not fit together .*: restore it"):
                open_storage(str(path), write=write)


@pytest.mark.parametrize("place", ["sqlite:x.db", "sqlite:/x.db", "postgresql:me:secret@h/d", "postgres+psycopg:/h"])
def test_a_url_without_its_slashes_is_no_name_of_a_journal(place: str) -> None:
    with pytest.raises(UnusableInputError, match=r"^no URL of a database: .*: write sqlite:///PATH or postgresql://"):
        open_storage(place, write=True)


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


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UnusableInputError) as caught:
        open_storage("postgresql://me:secret@localhost/db", write=True)
    assert "psycopg[binary] is not installed: pip install 'psycopg[binary]'" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_passwords_are_masked_wherever_they_stand() -> None:
    assert masked("to postgresql://a:b:c@h/d and mysql://u:p@h") == "to postgresql://a:***@h/d and mysql://u:***@h"
    assert masked("postgresql://user@host:5432/db") == "postgresql://user@host:5432/db"
    assert (
        masked("postgresql://h/d?user=a&password=b&sslmode=require")
        == "postgresql://h/d?user=a&password=***&sslmode=require"
    )


def test_checkpoints_lie_beside_the_journal_or_below_runs() -> None:
    assert run_folder("here/journal.log", "s") == Path("here/s")
    assert run_folder("postgresql://h/d", "s") == Path("runs/s")


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


def test_a_database_gets_its_connections_back(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/s.db", write=True)
    assert isinstance(storage, RDBStorage)
    storage.get_all_studies()
    pool = storage.engine.pool
    close_storage(storage)
    assert storage.engine.pool is not pool
    close_storage(open_storage(str(tmp_path / "journal.log"), write=True))


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
