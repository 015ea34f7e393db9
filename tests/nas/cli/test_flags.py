from __future__ import annotations

from pathlib import Path

import pytest

import search


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("45", "note: --timeout 45 is 45 seconds: write 45s, or 45m for minutes\n"),
        ("45s", ""),
        ("1m", ""),
    ],
)
def test_a_plain_number_for_a_duration_is_said_to_be_seconds(
    value: str, note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search.run(["validate", "none.py:Net", "--timeout", value]) == 2
    first, _, rest = capsys.readouterr().err.partition("error: ")
    assert first == note
    assert rest.startswith("cannot read")


def test_a_storage_and_a_study_that_no_flag_names_are_those_of_the_project(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "pyproject.toml").write_text('[tool.nas]\nstorage = "own.log"\nstudy = "mine"\n')
    assert search.run(["leaderboard"]) == 2
    *notes, error = capsys.readouterr().err.splitlines()
    assert sorted(notes) == [
        f"note: {said}, from [tool.nas] of {here}/pyproject.toml" for said in ("storage own.log", "study mine")
    ]
    assert error.startswith("error: no storage at own.log: ")
    assert search.run(["leaderboard", "--storage", "other.log"]) == 2
    assert capsys.readouterr().err.startswith("error: no storage at other.log: ")


def test_the_note_of_a_projects_storage_shows_no_password(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "pyproject.toml").write_text('[tool.nas]\nstorage = "nosuch://me:sec/ret@host/d"\n')
    assert search.run(["leaderboard"]) == 2
    note, error = capsys.readouterr().err.splitlines()
    assert note == f"note: storage nosuch://me:***@host/d, from [tool.nas] of {here}/pyproject.toml"
    assert "nosuch://me:***@host/d" in error


@pytest.mark.parametrize(
    "command",
    [
        "export best --to", "report --to", "launch --config", "launch --write-config", "launch --metrics",
        "launch --constraints", "train seed --metrics", "validate seed --fix", "validate seed --patch",
        "space --metrics",
    ],
)  # fmt: skip
def test_an_empty_path_is_refused_by_its_flag(command: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run([*command.split(), ""]) == 2
    name = command.rsplit(maxsplit=1)[-1]
    assert capsys.readouterr().err.startswith(f"error: {name}: no file: '.', or nothing: give the path of a file")


@pytest.mark.parametrize(
    "command",
    ["studies", "leaderboard", "show", "confirm", "delete x", "enqueue seed", "export best --to x.py", "doctor"],
)
def test_an_empty_storage_is_refused(command: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run([*command.split(), "--storage", " "]) == 2
    assert capsys.readouterr().err.startswith("error: --storage: ' ': give a path, or a database's URL")
