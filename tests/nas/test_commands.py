"""The search's command line, in this process."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import numpy as np
import optuna
import pytest
from PIL import Image

import search
from nas import commands
from nas.cpu import cpu_class
from nas.results.leaderboard import leaderboard
from nas.search.budget import Summary
from nas.search.storage import open_storage
from tests.engines import search_in_this_process
from tests.nas.results.known import add, known_study

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own, also for decoded data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("NAS_DATA", raising=False)
    return tmp_path


@pytest.fixture
def study(here: Path) -> optuna.Study:
    (here / "runs").mkdir()
    return known_study(here / "runs" / "journal.log")


def refused(capsys: Captured, *arguments: str) -> str:
    """The one line on stderr of a command that cannot be done."""
    assert search.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err.removeprefix("error: ").rstrip("\n")


def test_the_leaderboard_in_each_format(study: optuna.Study, capsys: Captured) -> None:
    assert search.run(["leaderboard", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == json.loads(json.dumps(leaderboard(study).as_dict()))
    for form, start in (("csv", "rank,trial,state,val_accuracy"), ("markdown", "| # | trial |"), ("table", "study")):
        assert search.run(["leaderboard", "--format", form, "--study", "known"]) == 0
        assert capsys.readouterr().out.startswith(start)


def test_flags_choose_rows(study: optuna.Study, capsys: Captured) -> None:
    def rows(*flags: str) -> list[int]:
        assert search.run(["leaderboard", "--format", "json", *flags]) == 0
        return [row["trial"] for row in json.loads(capsys.readouterr().out)["rows"]]

    assert rows("--top", "2") == [1, 2]
    assert rows("--sort", "params", "--top", "1") == [3]
    assert rows("--state", "failed, running") == [5, 4]
    assert rows("--pareto", "--state", "complete") == [1, 2, 0]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_keeps_to_the_columns_it_is_given(
    study: optuna.Study, capsys: Captured, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert search.run(["leaderboard"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert ("architecture" in lines[1]) is (width == 120)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--format", "xml"], "unknown format: 'xml': use table, json, csv, markdown"),
        (["--sort", "size"], "unknown sort key: 'size': use "),
        (["--state", "complete,done"], "unknown state: 'done': use complete, pruned, running, failed"),
        (["--study", "other"], "no such study: 'other': this storage holds known"),
        (["--top", "0"], "--top: 0: give 1 or more"),
        (["--watch", "--format", "json"], "--watch shows a table only: 'json': leave one of the two flags out"),
        (["--storage", "none.log"], "no storage at none.log: nothing was launched here"),
        (["--colour"], "no such option: --colour"),
    ],
)
def test_a_leaderboard_that_cannot_be_shown(
    study: optuna.Study, capsys: Captured, flags: list[str], message: str
) -> None:
    assert refused(capsys, "leaderboard", *flags).startswith(message)


def test_one_of_several_studies_must_be_named(study: optuna.Study, capsys: Captured) -> None:
    storage = open_storage("runs/journal.log", write=True)
    optuna.create_study(storage=storage, study_name="second")
    assert refused(capsys, "leaderboard") == ("several studies in this storage: known, second: choose one with --study")
    assert search.run(["leaderboard", "--study", "second", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["99"], "no such trial: '99': the study holds trials 0 to 5; give a number, best or an architecture"),
        (["network-9"], "no such trial: 'network-9': "),
        (["--format", "csv"], "unknown format: 'csv': use table, json"),
        (["--seeds", "0"], "--seeds: 0: give 1 or more"),
        (["--epochs", "0"], "--epochs: 0: give 1 or more"),
        (["--top", "-1"], "--top: -1: give 1 or more"),
        (["--workers", "0"], "--workers: 0: Input should be greater than or equal to 1"),
    ],
)
def test_a_confirmation_that_cannot_be_made(
    study: optuna.Study, capsys: Captured, arguments: list[str], message: str
) -> None:
    assert refused(capsys, "confirm", *arguments).startswith(message)


def test_without_a_complete_trial_there_is_nothing_to_confirm(here: Path, capsys: Captured) -> None:
    study = optuna.create_study(storage=open_storage("journal.log", write=True), study_name="new")
    add(study, [], params=1, state=optuna.trial.TrialState.RUNNING)
    text = refused(capsys, "confirm", "--storage", "journal.log")
    assert text == "nothing to confirm: no trial is complete: let the search continue"


def picture(place: Path, shade: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), shade, dtype=np.uint8)).save(place)


@pytest.fixture
def pictures(here: Path) -> Path:
    """Two classes, three images each in training and test."""
    for part in ("train", "test"):
        for kind in ("cat", "dog"):
            for number in range(3):
                picture(here / "pictures" / part / kind / f"{number}.png", 40 * number)
    return here / "pictures"


def launched(capsys: Captured, source: Path | str) -> str:
    return refused(capsys, "launch", "--data", str(source), "--space", "tiny", "--trials", "1", "--device", "cpu")


def test_data_that_is_not_there(here: Path, capsys: Captured) -> None:
    text = launched(capsys, "absent.tar")
    assert "absent.tar" in text
    assert not (here / "runs").exists()


def test_an_archive_that_is_damaged(pictures: Path, capsys: Captured) -> None:
    archive = pictures.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(pictures, arcname=".")
    content = archive.read_bytes()
    for damaged in (b"not a tar", content[: len(content) // 2], content[:200] + b"\xff" * 50 + content[250:]):
        archive.write_bytes(damaged)
        assert str(archive) in launched(capsys, archive)


def test_one_class_is_not_enough(pictures: Path, capsys: Captured) -> None:
    for part in ("train", "test"):
        for image in (pictures / part / "dog").iterdir():
            image.unlink()
        (pictures / part / "dog").rmdir()
    assert "class" in launched(capsys, pictures)


def test_an_image_that_does_not_decode_is_named(pictures: Path, capsys: Captured) -> None:
    broken = pictures / "train" / "dog" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    assert str(broken) in launched(capsys, pictures)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--space", "huge"], "huge"),
        (["--trials", "0"], "--trials: 0: Input should be greater than or equal to 1"),
        (["--timeout", "soon"], "--timeout: 'soon': not a duration"),
        (["--require", "parms < 3"], "unknown metric: 'parms'"),
        (["--config", "none.toml"], "cannot read none.toml: No such file or directory"),
        (["--write-config", "none/used.toml"], "cannot write none/used.toml: No such file or directory"),
        (["--format", "pdf"], "unknown format: 'pdf'"),
    ],
)
def test_a_launch_that_cannot_be_made_makes_nothing(
    here: Path, capsys: Captured, flags: list[str], message: str
) -> None:
    assert message in refused(capsys, "launch", "--data", "digits", *flags)
    assert not (here / "runs").exists()


def test_a_storage_that_is_no_journal_is_left_alone(here: Path, capsys: Captured) -> None:
    (here / "notes.txt").write_text("milk\n")
    flags = ("--data", "digits", "--space", "tiny", "--device", "cpu")
    assert search.run(["launch", *flags, "--storage", "notes.txt"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: cannot read the storage notes.txt: it is not a journal of Optuna")
    assert {path.name for path in here.iterdir()} == {"notes.txt", "cache"}
    assert (here / "notes.txt").read_text() == "milk\n"


def test_debug_adds_the_traceback(here: Path, capsys: Captured) -> None:
    assert search.run(["leaderboard", "--storage", "none.log", "--debug"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.splitlines()[-1].startswith("error: no storage at none.log")


@pytest.mark.parametrize(
    ("unfinished", "text"),
    [
        (0, "the time is spent"),
        (1, "the time is spent; 1 trial is unfinished: launch again to continue"),
        (2, "the time is spent; 2 trials are unfinished: launch again to continue"),
    ],
)
def test_the_end_of_a_search_says_what_is_left_to_do(unfinished: int, text: str) -> None:
    summary = Summary(ended="the time is spent", unfinished=unfinished, best=None, reached=False)
    assert commands._ending(summary) == text


@pytest.mark.timeout(1200)
def test_a_search_then_its_confirmation(here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    search_in_this_process(monkeypatch)
    common = ("--device", "cpu", "--workers", "1", "--format", "json")
    launch = ("launch", "--data", "digits", "--space", "tiny", "--trials", "2", "--epochs", "1", *common)
    assert search.run([*launch, "--target", "0.99"]) == 1
    out, err = capsys.readouterr()
    board = json.loads(out)
    assert [row["state"] for row in board["rows"]] == ["complete", "complete"]
    assert [row["test_accuracy"] for row in board["rows"]] == [None, None]
    assert "search ended: every trial of the budget is done\n" in err
    paces = re.findall(
        r"^an epoch takes about \S+s here with 1 worker \((.+)\): the .+ left allow about .+ by halving$", err, re.M
    )
    assert paces == [cpu_class()]
    assert search.run(["confirm", "best", "--seeds", "2", *common]) == 1, "the target is not reached"
    out, err = capsys.readouterr()
    (found,) = json.loads(out)
    assert found["trial"] == board["rows"][0]["trial"]
    assert found["architecture"] == board["rows"][0]["architecture"]
    assert found["mean"] == pytest.approx(sum(found["accuracies"]) / 2)
    assert len(found["accuracies"]) == 2
    assert "seed 1: 1 of 1 epochs\n" in err
    assert search.run(["leaderboard", "--format", "json"]) == 0
    best = json.loads(capsys.readouterr().out)["rows"][0]
    assert best["test_accuracy"] == found["mean"]
    assert best["val_accuracy"] == board["rows"][0]["val_accuracy"]
