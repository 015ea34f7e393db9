"""``launch`` and ``confirm``, in this process."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from PIL import Image
from safetensors import safe_open

import search
from constraints.errors import UnusableInputError
from nas.cli.search import _ending, _next
from nas.config import read_config
from nas.cpu import cpu_class
from nas.results.board import leaderboard
from nas.results.rows import Row
from nas.search import search_launch
from nas.search.budget import LaunchSummary
from nas.search.confirmation import Confirmation
from nas.search.storage import open_storage
from nas.search.study import FINALIST, WON
from tests.engines import few_digits, search_in_this_process
from tests.nas.cli.refused import refused, refused_line
from tests.nas.results.known import add, known_study

Captured = pytest.CaptureFixture[str]
NETWORK = "BR/c8-c8s2/dw-pw16:N/fc"


@pytest.fixture
def study(here: Path) -> optuna.Study:
    (here / "runs").mkdir()
    return known_study(here / "runs" / "journal.log")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["99"], "no such trial: '99': the study holds trials 0 to 5; give a number, best or an architecture"),
        (["network-9"], "no such trial: 'network-9': "),
        (["--format", "csv"], "--format: unknown format: 'csv': use table, json"),
        (["--seeds", "0"], "--seeds: 0: give 1 or more"),
        (["--epochs", "0"], "--epochs: 0: give 1 or more"),
        (["best", "--top", "2"], "both a trial and --top: best, 2: give one of them"),
        (["--top", "-1"], "--top: -1: give 1 or more"),
        (["--workers", "0"], "--workers: 0: give 1 or more"),
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
    assert text == "no trial is complete: study new holds 1 unfinished: launch again, which continues them"


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
        (["--trials", "0"], "--trials: 0: give 1 or more"),
        (["--timeout", "soon"], "--timeout: not a duration: 'soon'"),
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
    assert {path.name for path in here.iterdir()} == {"cache", "notes.txt"}
    assert not list(here.rglob("datasets")), "no data is read either"
    assert (here / "notes.txt").read_text() == "milk\n"


@pytest.mark.parametrize(
    ("unfinished", "text"),
    [
        (0, "the time is spent"),
        (1, "the time is spent; 1 trial is unfinished: launch again to continue"),
        (2, "the time is spent; 2 trials are unfinished: launch again to continue"),
    ],
)
def test_the_end_of_a_search_says_what_is_left_to_do(unfinished: int, text: str) -> None:
    summary = LaunchSummary(ended="the time is spent", unfinished=unfinished, best=None, reached=False)
    assert _ending(summary) == text


def test_one_image_a_class_is_refused_before_a_study_is_made(pictures: Path, capsys: Captured) -> None:
    for image in (*pictures.glob("train/*/1.png"), *pictures.glob("train/*/2.png")):
        image.unlink()
    assert search.run(["launch", "--data", "pictures", "--space", "tiny", "--device", "cpu"]) == 2
    assert "error: --data: every class has a single training image: pictures: " in capsys.readouterr().err
    path = f"../{Path().resolve().name}/pictures"  # of which the message has the last name, as has another flag
    assert search.run(["launch", "--data", path, "--study", "pictures", "--space", "tiny", "--device", "cpu"]) == 2
    assert "error: every class has a single training image: pictures: " in capsys.readouterr().err
    assert not Path("runs").exists()


def test_the_first_lines_say_what_there_is_to_know(
    pictures: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(prepared: search_launch.PreparedLaunch) -> LaunchSummary:
        prepared.lock.close()
        raise UnusableInputError("enough for this test")

    monkeypatch.setattr(search_launch, "run", end)
    search_in_this_process(monkeypatch)
    pictures.rename("[red]cats :dog:")
    for number in range(3, 18):
        picture(Path("[red]cats :dog:") / "train" / "cat" / f"{number:02d}.png", 9)
    flags = ("--space", "tiny", "--trials", "1", "--epochs", "1", "--device", "cpu", "--workers", "1")
    assert search.run(["launch", "--data", "[red]cats :dog:", *flags]) == 2
    every = capsys.readouterr().err.splitlines()
    lines = every[next(i for i, line in enumerate(every) if line.startswith("data: ")) :]  # after doubts of the images
    assert lines[0] == "data: [red]cats :dog:, 21 training and 6 test images, 2 classes"
    assert lines[1].startswith("warning: candidates are selected by 3 images")
    assert lines[2].startswith("warning: a whole training has 1 step (18 training images, fewer than a batch of ")
    assert lines[3].startswith("warning: the classes are unbalanced: 16 training images of 'cat', 2 of 'dog': ")
    assert lines[4] == "augmentation: assignment (flip 0.5, shift_scale_rotate 0.25, dropout 0.1)"


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({}, "next: search.py show best · confirm best · export best --to net.py"),
        (
            {"study": "two words", "storage": "postgresql://me:secret@host/db"},
            "next, with --study 'two words' --storage 'postgresql://me:***@host/db': "
            "search.py show best · confirm best · export best --to net.py",
        ),
    ],
)
def test_the_end_names_the_next_commands(study: optuna.Study, flags: dict[str, str], line: str) -> None:
    assert _next(leaderboard(study), read_config(None, flags)) == line


def test_what_is_confirmed_once_is_offered_to_be_confirmed_again(study: optuna.Study) -> None:
    line = _next(leaderboard(study), read_config(None, {}), is_confirmed=True)
    assert line == "next: search.py show best · confirm best --seeds 3 · export best --to net.py"


def test_without_a_complete_trial_the_next_command_continues(here: Path) -> None:
    study = optuna.create_study(storage=open_storage("journal.log", write=True), study_name="new")
    assert _next(leaderboard(study), read_config(None, {"study": "new"})) == (
        "next, with --study new: search.py launch, which continues · leaderboard"
    )


def test_ctrl_c_leaves_the_leaderboard_and_the_next_commands(
    here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(prepared: search_launch.PreparedLaunch) -> LaunchSummary:
        prepared.lock.close()
        add(prepared.study, [0.5, 0.75], network=NETWORK)
        raise KeyboardInterrupt

    monkeypatch.setattr(search_launch, "run", interrupt)
    search_in_this_process(monkeypatch)
    assert search.run(["launch", "--data", "digits", "--workers", "1", "--device", "cpu"]) == 130
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert any(line.split()[:4] == ["1*", "0", "complete", "75.00"] for line in lines)
    assert lines[-2] == "next: search.py show best · confirm best · export best --to net.py"
    assert lines[-1] == "error: interrupted: everything finished is kept: launch again to continue"


@pytest.mark.parametrize(
    ("known", "mean", "code", "won"), [(False, 0.9, 0, [0]), (False, 0.7, 1, None), (True, 0.9, 1, None)]
)
def test_time_spent_before_anything_was_confirmed_leaves_the_best_to_be_confirmed(
    *, here: Path, monkeypatch: pytest.MonkeyPatch, known: bool, mean: float, code: int, won: list[int] | None
) -> None:
    """Where a network was confirmed, and missed, or is being confirmed, that was the confirmation asked for."""
    found = Confirmation(
        trial=0, architecture=NETWORK, epochs=1, seeds=(0,), accuracies=(mean,), seconds=1.0, test_images=100
    )
    studies = []

    def spent(prepared: search_launch.PreparedLaunch) -> LaunchSummary:
        prepared.lock.close()
        studies.append(prepared.study)
        add(prepared.study, [0.5], network=NETWORK)
        if known:
            prepared.study.set_user_attr(FINALIST, {"trial": 0, "epochs": 1})
        assert prepared.driver.finish is not None
        prepared.driver.finish.survey(prepared.study.trials)
        return LaunchSummary(ended="the time is spent", unfinished=0, best=0.5, reached=False)

    def confirmed(study: optuna.Study, rows: Sequence[Row], *_: Any, **__: Any) -> list[Confirmation]:
        assert ([row.trial for row in rows], known) == ([0], False)
        return [found]

    monkeypatch.setattr(search_launch, "run", spent)
    monkeypatch.setattr("nas.cli.search._confirm", confirmed)
    search_in_this_process(monkeypatch)
    few_digits(monkeypatch)
    flags = ("--data", "digits", "--space", "tiny", "--epochs", "1", "--workers", "1", "--device", "cpu")
    assert search.run(["launch", *flags, "--target", "0.8", "--stop-at-target", "--confirm", "1"]) == code
    assert studies[0].user_attrs.get(WON) == won


@pytest.mark.timeout(1200)
def test_a_search_then_its_confirmation(here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    search_in_this_process(monkeypatch)
    few_digits(monkeypatch)
    common = ("--device", "cpu", "--workers", "1", "--format", "json")
    launch = ("launch", "--data", "digits", "--space", "tiny", "--trials", "2", "--epochs", "1", *common)
    assert search.run([*launch, "--target", "0.99"]) == 1
    out, err = capsys.readouterr()
    board = json.loads(out)
    assert [row["state"] for row in board["rows"]] == ["complete", "complete"]
    assert [row["test_accuracy"] for row in board["rows"]] == [None, None]
    assert "search ended: every trial of the budget is done\n" in err
    paces = re.findall(
        r"^an epoch takes about \S+s here with 1 worker \((.+)\): the .+ left allow about .+ of the full 1$", err, re.M
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


def test_two_storages_in_a_folder_keep_the_weights_of_their_studies_apart(
    here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same study name, data and trial numbers: each export holds its own network's weights and accuracy."""
    search_in_this_process(monkeypatch)
    few_digits(monkeypatch)
    accuracies = {}
    for name, seed in (("one", "1"), ("two", "2")):
        command = ["launch", "--data", "digits", "--space", "tiny", "--trials", "1", "--epochs", "1", "--device", "cpu"]
        assert search.run([*command, "--seed", seed, "--storage", f"runs/{name}.log", "--format", "json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)["rows"]
        accuracies[name] = row["val_accuracy"], row["architecture"]
    assert accuracies["one"][1] != accuracies["two"][1]
    for name, (accuracy, architecture) in accuracies.items():
        assert search.run(["export", "best", "--to", f"{name}.safetensors", "--storage", f"runs/{name}.log"]) == 0
        with safe_open(f"{name}.safetensors", "pt") as file:
            training = json.loads(file.metadata()["training"])
            assert (file.metadata()["architecture"], training["val_accuracy_in_search"]) == (architecture, accuracy)
    mark = json.loads((here / "runs/search/study.json").read_text())
    (other,) = here.glob("runs/search-*/study.json")
    assert mark["id"] != json.loads(other.read_text())["id"]
    (here / "runs/search/study.json").write_bytes(other.read_bytes())
    capsys.readouterr()
    text = refused(capsys, "export", "best", "--to", "three.safetensors", "--storage", "runs/one.log")
    assert "are not of this study: they belong to the study 'search' of two.log: move that folder" in text


@pytest.mark.parametrize("command", [("launch", "--start", "nope"), ("train", "nope")])
def test_an_error_is_the_only_line_also_where_a_project_has_settings(
    command: Sequence[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "pyproject.toml").write_text('[tool.nas]\ndata = "digits"\n')
    assert "nope" in refused_line(capsys, *command)
