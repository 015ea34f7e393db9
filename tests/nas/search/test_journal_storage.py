from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from constraints.errors import UnusableInputError
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
