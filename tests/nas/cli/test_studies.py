"""``studies`` and ``delete``, and which study is meant where none is named."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest

import search
from nas.search.holding import hold, hold_folder
from nas.search.storage import open_storage
from nas.search.study import IDENTITY
from nas.search.study_folder import MARK, claim
from tests.nas.cli.refused import refused
from tests.nas.results.known import known_study

Captured = pytest.CaptureFixture[str]
JOURNAL = "runs/journal.log"


@pytest.fixture
def study(here: Path) -> optuna.Study:
    """Six trials, beside a study of others that is newer."""
    (here / "runs").mkdir()
    made = known_study(here / JOURNAL)
    made.set_user_attr(IDENTITY, {"epochs": 2})
    optuna.create_study(storage=open_storage(JOURNAL, write=True), study_name="foreign").ask()
    return made


def names() -> list[str]:
    return optuna.get_all_study_names(open_storage(JOURNAL))


def test_each_study_is_a_line(study: optuna.Study, capsys: Captured) -> None:
    assert search.run(["studies"]) == 0
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[1].startswith("known digits")
    assert lines[1].endswith("3 complete, 1 pruned, 1 unfinished, 1 failed")
    assert lines[2] == "foreign not made by this tool 1 unfinished"
    assert err == ""


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_name_is_cut_on_a_narrow_terminal(
    study: optuna.Study, capsys: Captured, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert search.run(["studies"]) == 0
    out = capsys.readouterr().out
    assert "…" not in out
    assert all(len(line) <= width for line in out.splitlines())
    assert "known" in out


def test_as_json(study: optuna.Study, capsys: Captured) -> None:
    assert search.run(["studies", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["storage"] == JOURNAL
    known, foreign = document["studies"]
    assert (known["study"], known["best"], known["target"], known["is_readable"]) == ("known", 0.86, 0.85, True)
    assert (foreign["study"], foreign["best"], foreign["is_readable"]) == ("foreign", None, False)
    assert foreign["counts"] == {"complete": 0, "pruned": 0, "running": 0, "unfinished": 1, "failed": 0}


def test_a_database_has_the_same_table(here: Path, capsys: Captured) -> None:
    storage = open_storage("sqlite:///studies.db", write=True)
    for name in ("b", "a"):
        optuna.create_study(storage=storage, study_name=name).set_user_attr(IDENTITY, {"data": {"hash": "d"}})
    assert search.run(["studies", "--storage", "sqlite:///studies.db", "--format", "json"]) == 0
    assert [entry["study"] for entry in json.loads(capsys.readouterr().out)["studies"]] == ["b", "a"]


def test_without_a_name_the_newest_is_taken_and_said(study: optuna.Study, capsys: Captured) -> None:
    optuna.create_study(storage=open_storage(JOURNAL, write=True), study_name="last").set_user_attr(IDENTITY, {})
    assert search.run(["leaderboard", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["study"] == "last"
    assert err == "note: 3 studies in this storage, the newest is taken: last: --study chooses another\n"
    assert search.run(["compare", "seed", "0"]) == 2
    assert capsys.readouterr().err.count("the newest is taken: last") == 1, "of two trials"


def test_a_study_is_deleted_with_its_files(study: optuna.Study, here: Path, capsys: Captured) -> None:
    folder = claim(JOURNAL, study)
    (folder / "trial-00000").mkdir()
    assert search.run(["delete", "known", "--yes"]) == 0
    assert capsys.readouterr().out == f"deleted study known with 7 trials and its files in {folder}\n"
    assert names() == ["foreign"]
    assert not folder.exists()


def test_files_that_are_not_the_study_s_alone_stay(study: optuna.Study, here: Path, capsys: Captured) -> None:
    stranger = here / "runs/known/trial-00099"
    stranger.mkdir(parents=True)
    assert search.run(["delete", "known", "--yes"]) == 0
    assert "and no files" in capsys.readouterr().out
    assert stranger.is_dir()


def test_a_deletion_as_json(study: optuna.Study, capsys: Captured) -> None:
    folder = claim(JOURNAL, study)
    assert search.run(["delete", "known", "--yes", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"study": "known", "trials": 7, "folder": str(folder), "deleted": True}
    assert "unknown format: 'csv'" in refused(capsys, "delete", "known", "--yes", "--format", "csv")


@pytest.mark.parametrize(("answer", "is_deleted"), [("y", True), ("yes", True), ("n", False), ("", False)])
def test_it_asks_first(
    study: optuna.Study, capsys: Captured, monkeypatch: pytest.MonkeyPatch, answer: str, is_deleted: bool
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.console.Console.input", lambda *_, **__: answer)
    assert search.run(["delete", "known"]) == (0 if is_deleted else 1)
    assert ("known" in names()) is not is_deleted


@pytest.mark.parametrize("storage", [JOURNAL, "sqlite:///runs/studies.db"])
def test_a_storage_that_cannot_be_written_is_refused_before_it_asks(
    here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, storage: str
) -> None:
    (here / "runs").mkdir()
    made = optuna.create_study(storage=open_storage(storage, write=True), study_name="known")
    made.set_user_attr(IDENTITY, {"data": {"name": "digits", "hash": "d"}, "constraints": ["params < 1"]})
    folder = claim(storage, made)
    access = os.access  # root may write anywhere
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).is_file() and access(path, mode))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.console.Console.input", lambda *_, **__: pytest.fail("it asked"))
    assert refused(capsys, "delete", "known", "--storage", storage).endswith(": give --storage a writable path")
    why = refused(capsys, "enqueue", "seed", "--storage", storage)
    assert why.endswith(": give --storage a writable path"), "before the network is judged, which breaks a rule"
    assert folder.is_dir()


@pytest.mark.parametrize("job", ["driver", "confirm"])
def test_a_study_that_is_held_is_refused_before_it_asks(
    study: optuna.Study, capsys: Captured, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.console.Console.input", lambda *_, **__: pytest.fail("it asked"))
    with hold(JOURNAL, "known", job):
        assert "is held by another process" in refused(capsys, "delete", "known")


def test_a_launch_from_another_working_folder_holds_its_study(
    here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = f"sqlite:///{here}/studies.db"
    made = optuna.create_study(storage=open_storage(storage, write=True), study_name="known")
    made.set_user_attr(IDENTITY, {"data": {"name": "digits", "hash": "d"}})
    folder = claim(storage, made).resolve()
    (here / "other").mkdir()
    monkeypatch.chdir(here / "other")
    with hold_folder(folder, storage, "known"):
        assert str(folder) in refused(capsys, "delete", "known", "--yes", "--storage", storage)
    assert not any((here / "other").iterdir()), "made for the locks"
    assert search.run(["delete", "known", "--yes", "--storage", storage]) == 0
    assert not folder.exists()


def test_what_is_not_deleted(study: optuna.Study, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "stdin is not a terminal: give --yes" in refused(capsys, "delete", "known")
    assert "was made by no launch" in refused(capsys, "delete", "foreign", "--yes")
    assert "no such study: 'other'" in refused(capsys, "delete", "other", "--yes")
    with hold(JOURNAL, "known"):
        assert "is held by another process" in refused(capsys, "delete", "known", "--yes")
    assert names() == ["known", "foreign"]


def test_the_files_of_another_study_are_not_deleted(study: optuna.Study, here: Path, capsys: Captured) -> None:
    folder = claim(JOURNAL, study)
    mark: dict[str, Any] = json.loads((folder / MARK).read_text())
    (folder / MARK).write_text(json.dumps({**mark, "id": "another"}))
    assert "are not of this study" in refused(capsys, "delete", "known", "--yes")
    assert folder.is_dir()


def test_the_files_of_the_original_outlive_the_deletion_from_a_copy(
    study: optuna.Study, here: Path, capsys: Captured
) -> None:
    folder = claim(JOURNAL, study)
    shutil.copy(JOURNAL, "runs/copy.log")
    assert "are not of this study" in refused(capsys, "delete", "known", "--yes", "--storage", "runs/copy.log")
    assert folder.is_dir()


def test_a_folder_behind_a_link_is_deleted(study: optuna.Study, here: Path, capsys: Captured) -> None:
    folder = claim(JOURNAL, study)
    elsewhere = folder.rename(here / "elsewhere")
    folder.symlink_to(elsewhere)
    assert search.run(["delete", "known", "--yes"]) == 0
    assert names() == ["foreign"]
    assert not folder.is_symlink()
    assert not elsewhere.exists()


def test_where_the_files_stay_the_study_stays_or_they_are_named(
    study: optuna.Study, here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = claim(JOURNAL, study)

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr("optuna.delete_study", fail)
        refused(capsys, "delete", "known", "--yes")
    assert (names(), folder.is_dir()) == (["known", "foreign"], True)
    monkeypatch.setattr("shutil.rmtree", fail)
    text = refused(capsys, "delete", "known", "--yes")
    assert text == (
        "study known is deleted, files of it are left in runs/known.deleted: Operation not permitted: remove them"
    )


@pytest.mark.parametrize(
    ("name", "value"), [("validation_images", 10**400), ("validation_images", -1), ("target", float("nan"))]
)
def test_one_study_of_odd_values_does_not_hide_the_others(
    study: optuna.Study, capsys: Captured, name: str, value: float
) -> None:
    study.set_user_attr(IDENTITY, {"data": {"name": "digits", "hash": "d"}})
    study.set_user_attr(name, value)
    assert search.run(["studies"]) == 0
    assert " damaged " in capsys.readouterr().out
    assert search.run(["studies", "--format", "json"]) == 0
    assert [s["is_readable"] for s in json.loads(capsys.readouterr().out)["studies"]] == [False, False]
    assert "study 'known' is damaged: " in refused(capsys, "leaderboard", "--study", "known")
