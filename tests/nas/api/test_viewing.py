"""The functions that read a study, on known ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import nas
import search
from constraints.errors import UnusableInputError
from nas.architecture.named import SEED
from nas.search.study import IDENTITY, SOURCE
from tests.nas.results.known import PLAIN, known_study, network_study

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def studies(here: Path) -> None:
    (here / "runs").mkdir()
    known_study(here / "runs" / "journal.log")
    network_study(here / "networks.log")


def test_a_board_is_the_document_of_the_command(capsys: Captured) -> None:
    board = nas.leaderboard()
    assert capsys.readouterr() == ("", "")
    assert search.run(["leaderboard", "--format", "json"]) == 0
    assert json.loads(board.to_json()) == json.loads(capsys.readouterr().out)


def test_rows_are_chosen_as_by_flags() -> None:
    def trials(board: nas.Board) -> list[int]:
        return [row.trial for row in board.rows]

    assert trials(nas.leaderboard(Path("runs/journal.log"), "known", top=1)) == [1]
    assert trials(nas.leaderboard(states=["failed"])) == [5]
    assert trials(nas.leaderboard(where=["params < 100k"], sort="params")) == [3, 5, 4]
    assert nas.leaderboard(states=["failed"]).best.trial == 1


def test_the_best_row_is_all_that_show_needs(capsys: Captured) -> None:
    card = nas.show(nas.leaderboard("networks.log").best)
    assert (card.study, card.row.trial, card.row.architecture) == ("networks", 0, PLAIN)
    assert capsys.readouterr() == ("", "")
    assert nas.show(0, storage="networks.log").row == card.row
    assert nas.show(PLAIN, storage="networks.log", study="networks").row == card.row


@pytest.mark.parametrize("storage", ["networks.log", "absent.log"])
def test_a_network_that_no_study_holds_is_shown_as_by_the_command(storage: str, capsys: Captured) -> None:
    card = nas.show("seed", storage=storage)
    assert (card.name, card.row.architecture, card.row.val_accuracy) == ("seed", str(SEED), None)
    assert search.run(["show", "seed", "--storage", storage, "--format", "json"]) == 0
    assert json.loads(json.dumps(card.as_dict())) == json.loads(capsys.readouterr().out)
    with pytest.raises(UnusableInputError, match=r"no such trial: 'seed'|no storage at absent"):
        nas.show("seed", storage=storage, study="networks")


def test_an_export_returns_what_it_wrote(here: Path, capsys: Captured) -> None:
    with nas.open_study("networks.log") as study:
        study.set_user_attr(IDENTITY, {**study.user_attrs[IDENTITY], "data": {"hash": "0" * 64}})
        study.set_user_attr(SOURCE, "gone.tar")
    with pytest.warns(UserWarning, match=r"^how images are standardised is left out, the data is out of reach: "):
        written = nas.export(nas.leaderboard("networks.log").best, "net.py", untrained=True)
    assert written == (Path("net.py"),)
    with pytest.raises(UnusableInputError, match=r"^other data: digits is not what study 'networks' was made with"):
        nas.export(0, "other.py", untrained=True, data="digits", storage="networks.log")
    assert not Path("other.py").exists()
    assert PLAIN in (here / "net.py").read_text()
    assert nas.export("seed", here / "seed.py", untrained=True) == (here / "seed.py",)
    assert str(SEED) in (here / "seed.py").read_text()
    assert capsys.readouterr() == ("", "")


def test_a_report_is_a_page(here: Path, capsys: Captured) -> None:
    assert nas.report(here / "study.html", storage="networks.log") == here / "study.html"
    assert (here / "study.html").read_text().startswith("<!doctype html>")
    assert capsys.readouterr() == ("", "")


def test_a_study_is_opened_for_a_while() -> None:
    with nas.open_study("networks.log") as study:
        assert len(study.trials) == 3


@pytest.mark.parametrize(
    ("call", "command"),
    [
        (lambda: nas.leaderboard("none.log"), ("leaderboard", "--storage", "none.log")),
        (lambda: nas.leaderboard(sort="size"), ("leaderboard", "--sort", "size")),
        (lambda: nas.leaderboard(study="other"), ("leaderboard", "--study", "other")),
        (lambda: nas.show(99), ("show", "99")),
        (lambda: nas.export(1, "net.txt"), ("export", "1", "--to", "net.txt")),
        (lambda: nas.report("study.txt"), ("report", "--to", "study.txt")),
    ],
)
def test_an_error_is_the_line_of_the_command(call: object, command: tuple[str, ...], capsys: Captured) -> None:
    assert callable(call)
    with pytest.raises(UnusableInputError) as caught:
        call()
    assert search.run(command) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(caught.value) in re.sub(r"--(?=storage|study|sort|to)", "", said)
