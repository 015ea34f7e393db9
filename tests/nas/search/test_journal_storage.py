from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from filelock import FileLock

from constraints.errors import UnusableInputError
from nas.optuna_private import GroupedJournal
from nas.search.storage import open_storage

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


@pytest.mark.parametrize("damage", [b"\0\0\0\0\n", b'{"op_code": 4, "wor\n', b"[" * 100_000 + b"\n"])
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


def test_a_journal_that_lost_its_study_is_not_begun_anew(tmp_path: Path) -> None:
    path = journal_of(tmp_path, 1)
    optuna.create_study(storage=open_storage(str(path), write=True), study_name="second").set_user_attr("a", 1)
    lines = path.read_bytes().splitlines(keepends=True)
    for lost in [number for number, line in enumerate(lines) if line.startswith(b'{"op_code":0')]:
        path.write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
        for write in (False, True):
            with pytest.raises(UnusableInputError, match=r"journal.log: its lines do not fit together .*: restore it"):
                open_storage(str(path), write=write)


@pytest.mark.parametrize("harm", ["removed", "replaced", "cut"])
def test_a_journal_that_is_taken_away_in_use_ends_what_uses_it(tmp_path: Path, harm: str) -> None:
    path = journal_of(tmp_path, 1)
    study = optuna.load_study(storage=open_storage(str(path), write=True), study_name="s")
    study.set_user_attr("a", 1)
    before = path.read_bytes()
    if harm == "cut":
        path.write_bytes(before[:10])
    else:
        path.rename(tmp_path / "kept.log")
    if harm == "replaced":
        path.write_bytes(before)
    for use in (lambda: study.set_user_attr("b", 2), lambda: study.user_attrs):
        with pytest.raises(UnusableInputError, match=r"journal.log was removed, replaced or cut while it is in use: "):
            use()
    assert path.exists() == (harm != "removed"), "nothing takes its place"


def opened(path: Path) -> GroupedJournal:
    storage = open_storage(str(path), write=True)
    assert isinstance(storage, GroupedJournal)
    return storage


def test_what_is_written_together_takes_the_lock_once_and_is_seen_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = journal_of(tmp_path, 1)
    storage, taken, acquire = opened(path), [], FileLock.acquire

    def counted(lock: FileLock) -> Any:
        taken.append(lock.lock_file)
        return acquire(lock)

    monkeypatch.setattr(FileLock, "acquire", counted)
    study = optuna.load_study(storage=storage, study_name="s")
    trial = study.ask()
    taken.clear()
    with storage.together():
        for number in range(10):
            trial.set_user_attr("number", number)
            assert study.trials[-1].user_attrs == {"number": number}
            other = optuna.load_study(storage=open_storage(str(path)), study_name="s")
            assert other.trials[-1].user_attrs == {"number": number}, "a reader waits for no lock"
        with storage.together():
            trial.set_user_attr("number", 10)
    assert len(taken) == 1
    trial.set_user_attr("number", 11)
    assert len(taken) == 2
    assert optuna.load_study(storage=open_storage(str(path)), study_name="s").trials[-1].user_attrs == {"number": 11}


def test_other_writers_wait_for_what_is_written_together(tmp_path: Path) -> None:
    """Of this storage in another thread, and of the same file opened again, as another process has it."""
    path = journal_of(tmp_path, 0)
    storage = opened(path)
    studies = [optuna.load_study(storage=one, study_name="s") for one in (storage, opened(path))]
    others = [threading.Thread(target=study.set_user_attr, args=(f"other {i}", i)) for i, study in enumerate(studies)]
    own = studies[0].ask()
    with storage.together():
        for other in others:
            other.start()
        for number in range(20):
            own.set_user_attr(f"own {number}", number)
            time.sleep(0.01)
    for other in others:
        other.join()  # a wait in vain ends by the time limit of every test
        assert not other.is_alive()
    ops = [next(iter(json.loads(line).get("user_attr", {})), "") for line in path.read_text().splitlines()]
    first = ops.index("own 0")
    assert ops[first : first + 20] == [f"own {number}" for number in range(20)]
    assert sorted(ops[first + 20 :]) == ["other 0", "other 1"]


def test_a_lock_is_released_where_writing_together_fails(tmp_path: Path) -> None:
    path = journal_of(tmp_path, 0)
    storage = opened(path)
    with pytest.raises(ZeroDivisionError), storage.together():
        raise ZeroDivisionError
    optuna.load_study(storage=opened(path), study_name="s").ask()
    assert len(optuna.load_study(storage=storage, study_name="s").trials) == 1
