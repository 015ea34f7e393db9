"""Studies of one name in one place share no folder, and no reader takes another's files for its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.search.storage import open_storage
from nas.search.study import CURVE, FILES, IDENTITY
from nas.search.study_folder import MARK, claim, study_folder


def made(data: str = "d1", name: str = "search", **attrs: Any) -> optuna.Study:
    study = optuna.create_study(study_name=name)
    study.set_user_attr(IDENTITY, {"data": {"name": "x", "hash": data}})
    for key, value in attrs.items():
        study.set_user_attr(key, value)
    return study


def trained(folder: Path, number: int, accuracies: list[float]) -> list[dict[str, float]]:
    """A trial's folder, and its curve."""
    place = folder / f"trial-{number:05d}"
    place.mkdir(parents=True)
    curve = [{"epoch": n, "loss": 1.0, "val_accuracy": a} for n, a in enumerate(accuracies, start=1)]
    (place / "progress.json").write_text(json.dumps(curve))
    return curve


def add_trial(study: optuna.Study, curve: list[dict[str, float]]) -> None:
    study.add_trial(optuna.trial.create_trial(value=curve[-1]["val_accuracy"], user_attrs={CURVE: curve}))


def place(folder: Path, name: str = "journal.log") -> str:
    return str(folder / name)


def test_a_study_keeps_its_folder(tmp_path: Path) -> None:
    study = made()
    first = claim(place(tmp_path), study)
    assert first == tmp_path / "search"
    assert claim(place(tmp_path), study) == first
    found = study_folder(place(tmp_path), study)
    assert (found.path, found.is_marked) == (first, True)


def test_a_second_study_of_the_name_gets_another_folder(tmp_path: Path) -> None:
    one, two = made(), made()
    first, second = claim(place(tmp_path), one), claim(place(tmp_path, "other.log"), two)
    assert first != second
    assert second.parent == tmp_path
    assert second.name.startswith("search-")
    assert study_folder(place(tmp_path), one).path == first
    assert study_folder(place(tmp_path, "other.log"), two).path == second
    assert claim(place(tmp_path, "other.log"), two) == second


def test_what_an_earlier_version_left_is_taken_where_it_is_the_study_s(tmp_path: Path) -> None:
    study = made()
    add_trial(study, trained(tmp_path / "search", 0, [0.5, 0.6]))
    assert study_folder(place(tmp_path), study).is_marked is False
    assert claim(place(tmp_path), study) == tmp_path / "search"
    assert study_folder(place(tmp_path), study).is_marked is True


@pytest.mark.parametrize("theirs", [[0.5, 0.7], [0.4]])
def test_what_another_study_left_before_marks_is_not_taken(tmp_path: Path, theirs: list[float]) -> None:
    study = made()
    trained(tmp_path / "search", 0, theirs)
    add_trial(study, [{"loss": 1.0, "val_accuracy": a} for a in (0.5, 0.6)])
    assert claim(place(tmp_path), study).name.startswith("search-")
    assert not (tmp_path / "search" / MARK).exists()


def test_a_new_study_takes_no_trainings_that_are_there(tmp_path: Path) -> None:
    trained(tmp_path / "search", 0, [0.5])
    assert claim(place(tmp_path), made()).name.startswith("search-")
    (tmp_path / "third" / "confirm-00000-12345678").mkdir(parents=True)
    assert claim(place(tmp_path), made(name="third")).name.startswith("third-")


def test_a_damaged_curve_of_an_earlier_version_keeps_no_study_from_its_folder(tmp_path: Path) -> None:
    study = made()
    add_trial(study, trained(tmp_path / "search", 0, [0.5]))
    (tmp_path / "search/trial-00000/progress.json").write_text("[{")
    assert claim(place(tmp_path), study) == tmp_path / "search"


def test_readers_refuse_the_folder_of_another_study(tmp_path: Path) -> None:
    claim(place(tmp_path), made())
    older = made(data="d2")
    with pytest.raises(UnusableInputError, match=r"the files in .*search are not of this study: .*: move that folder"):
        study_folder(place(tmp_path), older)


def test_other_data_is_another_study(tmp_path: Path) -> None:
    study = made()
    claim(place(tmp_path), study)
    study.set_user_attr(IDENTITY, {"data": {"name": "x", "hash": "d2"}})
    for road in (claim, study_folder):
        with pytest.raises(UnusableInputError, match="are not of this study"):
            road(place(tmp_path), study)


@pytest.mark.parametrize("known", [{"id": "0" * 32, "folder": "../away"}, {"id": "0" * 32}, [1], "text"])
def test_a_study_may_point_to_no_folder_but_its_own(tmp_path: Path, known: Any) -> None:
    study = made(**{FILES: known})
    for road in (claim, study_folder):
        with pytest.raises(UnusableInputError, match=r"study 'search' is damaged: its "):
            road(place(tmp_path), study)


def test_a_damaged_mark_is_named(tmp_path: Path) -> None:
    study = made()
    (claim(place(tmp_path), study) / MARK).write_text("{")
    with pytest.raises(UnusableInputError, match=r"cannot read .*study.json: it is damaged: remove it where"):
        study_folder(place(tmp_path), study)
    (tmp_path / "search" / MARK).unlink()
    assert claim(place(tmp_path), study) == tmp_path / "search"


def test_a_study_moved_with_its_folder_is_found(tmp_path: Path) -> None:
    study = made()
    claim(place(tmp_path / "here"), study)
    (tmp_path / "here").rename(tmp_path / "there")
    assert study_folder(place(tmp_path / "there"), study).is_marked


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal with a study whose folder is claimed."""
    path = tmp_path / "journal.log"
    study = optuna.create_study(storage=open_storage(str(path), write=True), study_name="search")
    study.set_user_attr(IDENTITY, {"data": {"name": "x", "hash": "d1"}})
    claim(str(path), study)
    return path


def opened(path: Path) -> optuna.Study:
    return optuna.load_study(storage=open_storage(str(path), write=True), study_name="search")


def test_a_copy_of_a_storage_beside_it_does_not_own_the_folder(journal: Path) -> None:
    copy = Path(shutil.copy(journal, journal.with_name("copy.log")))
    with pytest.raises(UnusableInputError, match=r"they belong to the study 'search' of journal\.log"):
        study_folder(str(copy), opened(copy))
    assert claim(str(copy), opened(copy)).name.startswith("search-")
    assert claim(str(journal), opened(journal)) == journal.with_name("search")
    assert study_folder(str(copy), opened(copy)).path != study_folder(str(journal), opened(journal)).path


def test_a_storage_that_was_renamed_keeps_its_folder(journal: Path) -> None:
    renamed = journal.rename(journal.with_name("renamed.log"))
    assert study_folder(str(renamed), opened(renamed)).is_marked
    assert claim(str(renamed), opened(renamed)) == journal.with_name("search")


def test_a_database_finds_its_folder_from_another_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    monkeypatch.chdir(tmp_path)
    study = optuna.create_study(storage=open_storage(url, write=True), study_name="search")
    study.set_user_attr(IDENTITY, {"data": {"name": "x", "hash": "d1"}})
    first = claim(url, study).resolve()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert study_folder(url, study).path == first
    assert claim(url, study) == first
    assert not (tmp_path / "sub/runs").exists()


@pytest.mark.parametrize("places", [("runs/a", "sqlite:///runs/a.db"), ("sqlite:///runs/a.db", "runs/a")])
def test_a_database_and_a_journal_of_one_name_share_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: tuple[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    folders = []
    for one in places:
        study = optuna.create_study(storage=open_storage(one, write=True), study_name="search")
        study.set_user_attr(IDENTITY, {"data": {"name": "x", "hash": "d1"}})
        folders.append(claim(one, study))
        assert study_folder(one, study).path == folders[-1]
    assert folders[0] == Path("runs/search")
    assert folders[1].name.startswith("search-")


def test_a_database_leads_to_no_folder_without_its_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "away/search").mkdir(parents=True)
    study = made()
    study.set_user_attr(FILES, {"id": "0" * 32, "folder": "search", "place": str(tmp_path / "away")})
    assert study_folder("sqlite:///x.db", study).path == Path("runs/search")
    assert claim("sqlite:///x.db", study) == Path("runs/search")


def test_a_mark_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    study = made()
    (tmp_path / "search" / MARK).mkdir(parents=True)
    for road in (claim, study_folder):
        with pytest.raises(UnusableInputError, match=r"cannot read .*study.json: Is a directory: fix that"):
            road(place(tmp_path), study)


@pytest.mark.parametrize("name", ["../photos", ".", "a/b"])
def test_a_study_of_another_program_whose_name_leads_elsewhere_has_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "runs").mkdir()
    storage = str(tmp_path / "runs" / "journal.log")
    for find in (claim, study_folder):
        with pytest.raises(UnusableInputError, match="has no folder, since its name is no name of one"):
            find(storage, made(name=name))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["photos", "runs"]
