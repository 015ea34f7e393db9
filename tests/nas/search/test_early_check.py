"""Studies that a launch cannot use are refused before any data is read; nothing is written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from constraints.errors import UnusableInputError
from nas.config import read_config
from nas.loggers import choice
from nas.search import given_launch, ray_cluster
from nas.search.early_check import check_study, known_study
from nas.search.holding import hold
from nas.search.search_launch import check
from nas.search.storage import close_storage, open_storage
from nas.search.study import IDENTITY
from nas.search.training_way import Training
from nas.search.wanted import Wanted
from tests.nas.search.identities import identity

MADE_WITH = identity(read_config(None, {}).rules)


@pytest.fixture
def journal(tmp_path: Path) -> str:
    """A study named search."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    place = str(tmp_path / "journal.log")
    optuna.create_study(storage=open_storage(place, write=True), study_name="search").set_user_attr(IDENTITY, MADE_WITH)
    return place


def refused(place: str, **flags: Any) -> str:
    with pytest.raises(UnusableInputError) as caught:
        check(read_config(None, {"data": ".", "storage": place, "device": "cpu", **flags}))
    return str(caught.value)


def test_a_study_is_resumed_as_it_was_made(journal: str) -> None:
    before = Path(journal).read_bytes()
    for flags in ({}, {"epochs": 7}, {"study": "another", "seed": 1}):
        check_study(read_config(None, {"storage": journal, **flags}))
    assert Path(journal).read_bytes() == before
    assert [path.name for path in sorted(Path(journal).parent.iterdir())] == ["journal.log", "journal.log.lock"]


def test_a_study_that_no_launch_made_is_refused(journal: str) -> None:
    foreign = optuna.create_study(storage=open_storage(journal), study_name="foreign")
    check_study(read_config(None, {"storage": journal, "study": "foreign"}))  # nothing is in it yet
    foreign.add_trial(optuna.create_trial(value=1.0))
    assert refused(journal, study="foreign").startswith("study 'foreign' was made by no launch: ")


def test_a_study_that_lost_lines_is_refused_before_anything_trains(journal: str) -> None:
    study = optuna.load_study(storage=open_storage(journal, write=True), study_name="search")
    study.add_trial(optuna.create_trial(value=1.0))  # complete without network
    assert refused(journal).startswith("study 'search' has lost lines: trial 0 has an end or epochs without what ")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"seed": 1}, "made with other seed: 0, not 1: leave --seed out to keep its own, or"),
        ({"epochs": 8}, "made with other epochs: 7, not 8: "),
        (
            {"objective": "accuracy,params"},
            "made with other objective: accuracy, not accuracy,params: ",
        ),
        ({"constraints": ["params < 100k"]}, "made with other constraints: receptive_field > 44, "),
    ],
)
def test_a_study_that_was_made_otherwise_is_refused(journal: str, flags: dict[str, Any], message: str) -> None:
    assert refused(journal, **flags).startswith(f"study 'search' was {message}")


def test_a_study_that_another_launch_holds_is_refused(journal: str) -> None:
    with hold(journal, "search"):
        assert refused(journal).startswith("study 'search' is held by another process")
    check_study(read_config(None, {"storage": journal}))


def test_a_storage_that_is_no_journal_or_cannot_be_written(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("milk\n")
    assert refused(str(notes)).startswith(f"cannot read the storage {notes}: it is not a journal of Optuna")
    assert refused(str(notes / "journal.log")) == (
        f"cannot write {notes / 'journal.log'}: {notes} is no folder: give --storage a writable path"
    )


def test_a_database_file_that_can_be_neither_made_nor_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    check_study(read_config(None, {"storage": url}))
    assert list(tmp_path.iterdir()) == []
    gone = f"sqlite:///{tmp_path}/gone/new.db"
    assert refused(gone) == (
        f"cannot open the storage {gone}: unable to open database file: "
        "give --storage a path in a folder that is there and may be written"
    )
    close_storage(open_storage(url, write=True))
    check_study(read_config(None, {"storage": url}))
    known = os.access  # root may write anywhere
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("new.db") and known(path, mode))
    assert refused(url) == (
        f"cannot open the storage {url}: attempt to write a readonly database: give --storage a writable path"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert refused(str(tmp_path / "runs" / "journal.log")).startswith(f"cannot write {tmp_path}: Permission denied")
    finally:
        tmp_path.chmod(0o700)


def test_a_storage_whose_name_no_file_can_have(tmp_path: Path) -> None:
    for name in ("a" * 300, f"{'a' * 300}/journal.log", f"runs/{'a' * 300}"):
        assert refused(str(tmp_path / name)).startswith("cannot write ")
        assert refused(str(tmp_path / name)).endswith(": File name too long: give --storage a writable path")


def test_a_storage_in_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As any user but root meets it; ``Path.exists`` raises it in Python 3.11."""
    known, closed = Path.stat, tmp_path / "closed"

    def stat(path: Path, **options: Any) -> os.stat_result:
        if closed in path.parents:
            raise PermissionError(13, "Permission denied")
        return known(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    place = closed / "runs" / "journal.log"
    assert refused(str(place)) == f"cannot write {place}: Permission denied: give --storage a writable path"


def test_a_package_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    assert refused(str(tmp_path / "journal.log"), engine="ray").startswith("Ray is not installed: --engine ray needs")


def test_what_is_not_made_yet_is_not_known(tmp_path: Path, journal: str) -> None:
    assert known_study(read_config(None, {"storage": str(tmp_path / "none.log")})) == {}
    assert known_study(read_config(None, {"storage": journal, "study": "another"})) == {}
    database = read_config(None, {"storage": f"sqlite:///{tmp_path}/none.db", "data": "digits", "device": "cpu"})
    assert known_study(database) == {}
    check(database)
    assert not given_launch.as_studied(database, {}).model_fields_set - database.model_fields_set
    assert not (tmp_path / "none.db").exists()
    assert known_study(read_config(None, {"storage": journal}))["epochs"] == 7


def test_rules_that_no_network_keeps_are_refused_before_the_data(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    why = refused(place, data="digits", constraints=["receptive_field > 4000"])
    assert why.startswith("no feasible network in ")
    assert ": relax receptive_field > 4000 (to let receptive_field be " in why


def test_data_of_unknown_images_decide_nothing_yet_but_what_no_image_changes(tmp_path: Path) -> None:
    """No network of the space has a max-pool, for any images; parameters depend on the classes too."""
    place = str(tmp_path / "journal.log")
    check(read_config(None, {"data": ".", "storage": place, "device": "cpu", "constraints": ["params < 10"]}))
    why = refused(place, constraints=["params < 10", "max_pools >= 1"])
    assert "relax max_pools >= 1 (to let max_pools be 0)" in why


def test_rules_of_a_study_are_judged_in_the_space_that_it_keeps(tmp_path: Path) -> None:
    """No network of the default space has so few parameters, and those of tiny do."""
    place, rules = str(tmp_path / "journal.log"), ["params < 3000"]
    assert "relax params < 3000" in refused(place, data="digits", constraints=rules)
    study = optuna.create_study(storage=open_storage(place, write=True), study_name="search")
    study.set_user_attr(IDENTITY, {**MADE_WITH, "constraints": rules})
    flags = {"data": "digits", "epochs": 7, "constraints": rules}
    check(read_config(None, {"storage": place, "device": "cpu", **flags}))
    assert "relax params < 3000" in refused(place, space="assignment", **flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"start": ["nope"]}, "no such architecture: 'nope': give seed, "),
        ({"start": ["nope.py:Net"]}, "cannot read the file: 'nope.py': No such file or directory: "),
        (
            {"start": ["nope.txt"]},
            "cannot read the networks of 'nope.txt': No such file or directory: ",
        ),
        ({"from_study": "gone"}, "no such study: 'gone': "),
        ({"from_study": "search"}, "--from-study is the study itself: 'search': "),
        ({"from_study": "other"}, "--from-study: 'other': none of its networks is trained: "),
        ({"teacher": ["7"]}, "--teacher: no such trial: '7': "),
        ({"teacher": ["gone:7"]}, "--teacher gone:7: no such study: 'gone': "),
        ({"teacher": ["gone.py"]}, "cannot read gone.safetensors: No such file or directory: give another --teacher"),
    ],
)
def test_a_beginning_that_is_not_there(
    journal: str, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(Path(journal).parent)
    optuna.create_study(storage=open_storage(journal, write=True), study_name="other")
    assert refused(journal, **flags).startswith(message)


@pytest.mark.parametrize(
    ("flags", "asked", "message"),
    [
        ({"device": "cuda"}, {}, "no GPU: cuda: "),
        ({"log": ["mlflow"]}, {}, "mlflow is not installed: "),
        ({"epochs": 8}, {}, "study 'search' was made with other epochs: 7, not 8: "),
        ({"storage": "no/\u0101" + "a" * 300}, {}, "cannot write "),
        ({}, {"teacher": ["7"]}, "--teacher: no such trial: '7': "),
        ({}, {"recipe": "sdg"}, "no such recipe: 'sdg': "),
        ({}, {"augmentation": "flop"}, "no such augmentation: 'flop': "),
        ({}, {"target": "nope.py:Net"}, "cannot read the file: 'nope.py': "),
    ],
)
def test_what_is_wrong_with_a_training_whatever_its_data(
    journal: str, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    config = read_config(None, {"storage": journal, "device": "cpu", **flags})
    with pytest.raises(UnusableInputError) as caught:
        given_launch.check(config, Wanted(**{"target": "seed", **asked}))
    assert str(caught.value).startswith(message)
    given_launch.check(read_config(None, {"storage": journal, "device": "cpu"}), Wanted(target="seed"))


@pytest.fixture
def trained(tmp_path: Path) -> str:
    """A study named search whose networks train by the default recipe, in batches that its data chose."""
    place = str(tmp_path / "trained.log")
    made_with = MADE_WITH | Training.asked("default,batch_size=32", None, 7, tune=["peak_lr"]).as_table()
    optuna.create_study(storage=open_storage(place, write=True), study_name="search").set_user_attr(IDENTITY, made_with)
    return place


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"recipe": "sgd", "epochs": 7}, "other recipe: default,batch_size=32 ("),
        ({"recipe": "sgd"}, "other epochs: 7, not 20: "),  # only the default's follow the data
        ({"recipe": {"base": "default", "crop": 1}, "epochs": 7}, "other recipe: default,batch_size=32 ("),
        ({"augmentation": "none"}, "other augmentation: assignment ("),
        ({"augmentation": "assignment,flip=0"}, "other augmentation: assignment (probabilities.flip 0.5)"),
        ({"tune": ["weight_decay"]}, "other tune: peak_lr "),
        ({"recipe": "default", "augmentation": "none"}, "other augmentation: assignment ("),
    ],
)
def test_another_training_than_the_studys_is_refused_before_the_data(
    trained: str, flags: dict[str, Any], message: str
) -> None:
    assert refused(trained, **flags).startswith(f"study 'search' was made with {message}")
    wanted = Wanted(target="seed", recipe=flags.get("recipe"), augmentation=flags.get("augmentation"))
    if "tune" not in flags and flags.get("epochs", 7) == 7:
        with pytest.raises(UnusableInputError, match=r"^study 'search' was made with other (recipe|augmentation): "):
            given_launch.check(given_launch.as_studied(read_config(None, {"storage": trained}), {}), wanted)


def test_the_same_training_is_refused_nothing_before_the_data(trained: str) -> None:
    for flags in (
        {},
        {"recipe": "default"},
        {"recipe": "default", "augmentation": "assignment"},
        {"tune": ["peak_lr"]},
    ):
        check_study(read_config(None, {"storage": trained, **flags}))
    wanted = Wanted(target="seed", recipe="default", augmentation="assignment")
    given_launch.check(given_launch.as_studied(read_config(None, {"storage": trained}), {}), wanted)
