"""Commands that write to a study ask first whether its storage can be written."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from constraints.errors import UnusableInputError
from nas.search.confirm_launch import confirm_trials
from nas.search.writable import check_writable

PLACES = ("journal.log", "sqlite:///studies.db")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A storage whose file may be read alone, also by root."""
    monkeypatch.chdir(tmp_path)
    files = {"journal.log", "studies.db"}
    for name in files:
        (tmp_path / name).touch()
    known = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: os.path.basename(path) not in files and known(path, mode))  # noqa: PTH119
    found: str = request.param
    return found


def test_what_cannot_be_written_is_refused_with_what_to_do(place: str) -> None:
    with pytest.raises(UnusableInputError, match=r"(Permission denied|readonly database): give --storage a writable"):
        check_writable(place)


def test_a_confirmation_is_refused_before_it_trains(place: str) -> None:
    nothing: Any = None
    config: Any = SimpleNamespace(storage=place)
    with pytest.raises(UnusableInputError, match=r": give --storage a writable path$"):
        confirm_trials(nothing, [0], config, nothing, seeds=range(1), epochs=None, progress=nothing)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc: this system has no such folder")
def test_a_folder_in_which_no_file_can_be_made_is_refused_whatever_its_permissions() -> None:
    with pytest.raises(UnusableInputError, match=r"^cannot write /proc: .+: give --storage a writable path$"):
        check_writable("/proc/journal.log")


def test_the_check_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(str(tmp_path / "runs" / "journal.log"))
    assert not list(tmp_path.iterdir())
