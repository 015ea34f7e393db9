"""A search and its confirmation from Python, in this process."""

from __future__ import annotations

import re
import typing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

import nas
import search
from constraints.errors import UnusableInputError
from nas.api import searching
from nas.config import LaunchConfig, LaunchFields, read_config
from nas.search.confirmation import Confirmation
from nas.search.storage import open_storage
from nas.search.study import IDENTITY
from nas.training import datasets
from tests.engines import few_digits, search_in_this_process

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    search_in_this_process(monkeypatch)
    few_digits(monkeypatch)


def test_every_field_of_the_configuration_is_one_of_the_call() -> None:
    assert set(typing.get_type_hints(LaunchFields)) == set(LaunchConfig.model_fields)


def test_a_search_its_board_and_its_confirmation(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = nas.launch(
        data="digits", space="tiny", trials=2, epochs=1, workers=1, device="cpu", target=0.999, confirm=1,
        storage=here / "own.log", study="mine", constraints=["params < 20k"],
    )  # fmt: skip
    assert capfd.readouterr() == ("", "")
    assert (found.ended, found.unfinished, found.reached) == ("every trial of the budget is done", 0, False)
    assert [row.state for row in found.board.rows] == ["complete", "complete"]
    assert all(row.params < 20_000 for row in found.board.rows)
    assert found.best.source == (str(here / "own.log"), "mine")
    (confirmation,) = found.confirmations
    assert confirmation.trial == found.best.trial
    again = nas.confirm(found.best, seeds=2, workers=1, device="cpu")
    assert (again.seeds, again.accuracies[0]) == ((0, 1), confirmation.accuracies[0])
    assert capfd.readouterr() == ("", "")
    assert nas.leaderboard(here / "own.log").best.test_accuracy == again.mean
    assert nas.export(found.best, here / "net.py") == (here / "net.py", here / "net.safetensors")


def test_progress_is_printed_when_asked_for(capsys: Captured) -> None:
    nas.launch(data="digits", space="tiny", trials=1, epochs=1, workers=1, device="cpu", confirm=1, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "trial 0: " in err
    assert "confirm trial 0, seed 0: 1 of 1 epochs\n" in err


def test_what_is_kept_of_a_study_is_said_with_progress(here: Path, capsys: Captured) -> None:
    study = optuna.create_study(storage=open_storage("runs/journal.log", write=True), study_name="search")
    made_with = {
        "data": {"name": "digits", "hash": "x"},
        "space": {"name": "tiny", "hash": "y"},
        "seed": 3,
        "epochs": 7,
    }
    study.set_user_attr(IDENTITY, {**made_with, "constraints": read_config(None, {}).rules, "objective": "accuracy"})
    line = "study search exists and keeps its own space tiny; seed 3; epochs 7\n"
    for progress in (False, True):
        with pytest.raises(UnusableInputError, match="made with other data"):
            nas.launch(data="digits", storage="runs/journal.log", workers=1, device="cpu", progress=progress)
        assert (line in capsys.readouterr().err) == progress


def test_fields_win_over_a_file(here: Path) -> None:
    (here / "used.toml").write_text('data = "digits"\nspace = "tiny"\ntrials = 5\nepochs = 1\nstudy = "filed"\n')
    found = nas.launch("used.toml", trials=1, workers=1, device="cpu", start=["seed"])
    assert found.beginning[0].startswith("start: seed: ")
    assert (found.board.study, len(found.board.rows)) == ("filed", 1)


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({"trials": 0}, ("--trials", "0")),
        ({"space": "huge"}, ("--space", "huge")),
        ({"data": "none.tar"}, ("--data", "none.tar")),
        ({"constraints": ["parms < 3"]}, ("--require", "parms < 3")),
    ],
)
def test_an_error_is_the_line_of_the_command(fields: LaunchFields, flags: tuple[str, ...], capsys: Captured) -> None:
    request: LaunchFields = {"data": "digits", "space": "tiny", **fields}
    with pytest.raises(UnusableInputError) as caught:
        nas.launch(**request)
    assert search.run(["launch", "--data", "digits", "--space", "tiny", *flags]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert str(caught.value).removeprefix("constraints: ") in said.replace(
        "error: --", "error: "
    )  # one field, two flags
    assert "--" not in str(caught.value)
    assert said.endswith(": see search.py launch --help")


def test_a_doubt_about_the_data_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = replace(datasets.load("digits"), warnings=("digits take its place",))
    monkeypatch.setattr(datasets, "load", lambda source, **_: digits)
    with pytest.warns(UserWarning, match=r"^digits take its place$") as caught:
        nas.launch(space="tiny", trials=1, epochs=1, workers=1, device="cpu")
    assert caught[0].filename == __file__


def test_where_nothing_is_complete_the_best_says_what_there_is() -> None:
    found = nas.launch(data="digits", space="tiny", timeout=0.001, workers=1, device="cpu", confirm=1)
    assert found.ended == "the time is spent"
    with pytest.raises(
        UnusableInputError, match=r"^no trial is complete: study search holds (no trials: let|1 unfinished: launch) "
    ):
        _ = found.best


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"recipe": "defualt"}, "no such recipe: 'defualt': did you mean default?"),
        ({"tune": ["lrr"]}, "tune: 'lrr': no option of a recipe"),
        ({"augmentation": "seed,flip=2"}, "augmentation seed: no probability: 'flip=2': give 0 to 1"),
    ],
)
def test_how_it_trains_is_refused_as_on_the_command_line(fields: Any, message: str) -> None:
    with pytest.raises(UnusableInputError, match=re.escape(message)):
        nas.launch(data="digits", **fields)


def test_confirmations_over_the_target_come_first() -> None:
    known = {
        number: Confirmation(trial=number, architecture="x", epochs=1, seeds=(0,), accuracies=(accuracy,), seconds=1.0)
        for number, accuracy in ((1, 0.8), (2, 0.9), (5, 0.7), (7, 0.86))
    }
    finish = SimpleNamespace(known=known, over=[7, 2])
    assert [one.trial for one in searching._of_study(finish)] == [2, 7, 1, 5]  # type: ignore[arg-type]
    assert searching._of_study(None) == []
