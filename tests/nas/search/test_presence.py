"""Whether a launch is running on a study: by the lock that it holds, which the system releases when it is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nas.results.board import leaderboard
from nas.search.holding import hold
from nas.search.presence import has_launch
from nas.search.study import FILES
from tests.nas.results.known import known_study


def study(**files: Any) -> Any:
    return SimpleNamespace(study_name="s", user_attrs={FILES: files} if files else {})


def test_a_launch_is_seen_as_long_as_it_holds_the_study(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    assert has_launch(place, study()) is False
    with hold(place, "s"):
        assert has_launch(place, study()) is True
        assert has_launch(place, study(id="1", folder="s")) is True
    assert has_launch(place, study()) is False
    with hold(place, "s", "confirm"):
        assert has_launch(place, study()) is False, "a confirmation trains no trial of the search"


def test_a_launch_in_the_folder_of_the_files_is_seen_from_another_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (there := tmp_path / "there" / "runs" / "s-1").mkdir(parents=True)
    (there / "driver.lock").touch()
    monkeypatch.chdir(tmp_path)
    known = study(id="1", folder="s-1", place=str(there.parent))
    assert has_launch("sqlite:///there/x.db", known) is False
    with hold(str(there.parent / "x"), "s-1"):
        assert has_launch("sqlite:///there/x.db", known) is True


def test_a_launch_on_a_study_of_the_same_name_elsewhere_is_another(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    (tmp_path / "s-1").mkdir()
    with hold(str(tmp_path / "other.log"), "s"):
        assert has_launch(place, study(id="1", folder="s-1")) is False


def test_a_killed_launch_holds_nothing(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    (tmp_path / "s").mkdir()
    code = (
        "import fcntl, os, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-S", "-c", code, str(tmp_path / "s" / "driver.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert has_launch(place, study()) is True
        process.kill()
    assert has_launch(place, study()) is False


@pytest.mark.parametrize("files", [{"folder": 3}, {"folder": "a\0b", "place": "\0"}, {"place": "/"}])
def test_odd_values_are_nothing(tmp_path: Path, files: dict[str, Any]) -> None:
    assert has_launch(str(tmp_path / "journal.log"), study(**files)) in {False, None}


def test_what_has_not_ended_is_running_only_while_a_launch_is_at_work(tmp_path: Path) -> None:
    known = known_study(tmp_path / "journal.log")
    for is_live, state in ((None, "running"), (True, "running"), (False, "unfinished")):
        board = leaderboard(known, is_live=is_live)
        assert [row.trial for row in board.rows if row.state == state] == [4]
        assert board.counts[state] == 1
        assert [row.trial for row in leaderboard(known, is_live=is_live, states=["running"]).rows] == [4]
