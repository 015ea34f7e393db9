"""Where a command's study is: a flag wins over the project's settings, and a storage that is given over both."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
import typer

from constraints.errors import UnusableInputError
from nas.cli.place import FoundSetting, expanded, of_project

SETTINGS = '[tool.nas]\nstorage = "mine/journal.log"\nstudy = "mine"\n'


def context(*arguments: str) -> typer.Context:
    """That of a command with these two flags."""
    flags = [click.Option(["--storage"], default="runs/journal.log"), click.Option(["--study"])]
    made = click.Command("show", params=list(flags)).make_context("show", list(arguments))
    return made  # type: ignore[return-value]  # typer's contexts are click's


def project(text: str = SETTINGS) -> None:
    Path("pyproject.toml").write_text(text, "utf-8")


def values(*arguments: str) -> list[str | None]:
    found = [of_project(context(*arguments), name) for name in ("storage", "study")]
    return [None if one is None else one.value for one in found]


def test_without_settings_nothing_is_found() -> None:
    assert values() == [None, None]


def test_what_is_not_given_is_the_projects() -> None:
    project()
    assert values() == ["mine/journal.log", "mine"]
    found = of_project(context(), "study")
    assert isinstance(found, FoundSetting)
    assert "pyproject.toml" in found.source


def test_a_flag_wins_and_a_storage_brings_its_own_study() -> None:
    project()
    assert values("--study", "other") == ["mine/journal.log", None]
    assert values("--storage", "other.log") == [None, None]
    assert values("--storage", "runs/journal.log") == [None, None], "the default, written out, is given too"


def test_settings_of_a_folder_above_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    project()
    (tmp_path / "below" / "it").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "below" / "it")
    assert values()[1] == "mine"


def test_settings_without_a_place_and_of_another_kind_are_none() -> None:
    project("[tool.nas]\ntrials = 7\n")
    assert values() == [None, None]
    project("[tool.other]\nstudy = 7\n")
    assert values() == [None, None]


def test_settings_that_cannot_be_read_are_refused() -> None:
    project("[tool.nas\n")
    with pytest.raises(UnusableInputError, match=r"pyproject\.toml"):
        of_project(context(), "study")
    assert of_project(context("--storage", "x.log"), "study") is None, "nothing is read that is not needed"


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ("~/runs/journal.log", "/home/of/me/runs/journal.log"),
        ("~", "/home/of/me"),
        ("runs/~/journal.log", "runs/~/journal.log"),
        ("postgresql://~me@host/db", "postgresql://~me@host/db"),
        ("sqlite:////tmp/a~b.db", "sqlite:////tmp/a~b.db"),
        ("~nobody-of-this-name/x", "~nobody-of-this-name/x"),
        ("", ""),
    ],
)
def test_a_home_is_replaced_and_a_url_is_not(storage: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/of/me")
    assert expanded(storage) == expanded(expected) == expected
