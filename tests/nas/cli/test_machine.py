"""``doctor``, in this process."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

import search
from tests.nas.results.known import network_study

Captured = pytest.CaptureFixture[str]


def test_doctor_is_well_here(here: Path, capsys: Captured) -> None:
    network_study(here / "journal.log")
    assert search.run(["doctor", "--storage", "journal.log", "--format", "json"]) == 0
    findings = {f["name"]: f for f in json.loads(capsys.readouterr().out)}
    assert findings["journal.log"]["text"] == "networks"


def test_doctor_fails_where_something_is_broken(capsys: Captured) -> None:
    assert search.run(["doctor", "--storage", "elsewhere.log"]) == 1
    assert "broken  storage  elsewhere.log: no storage at elsewhere.log" in capsys.readouterr().out


def test_caches_are_removed_when_sure(here: Path, capsys: Captured) -> None:
    folder = here / "cache" / "neural-architecture-search" / "epochs"
    folder.mkdir(parents=True)
    (folder / "a.npy").write_bytes(bytes(200_000))
    assert search.run(["doctor", "--clean", "--yes"]) == 0
    assert "0.2 MB removed" in capsys.readouterr().out
    assert not folder.exists()


def test_without_a_terminal_nothing_is_removed_unless_it_is_sure(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert search.run(["doctor", "--clean"]) == 2
    assert capsys.readouterr().err.endswith(
        "error: cannot ask: stdin is not a terminal: add --yes to remove the caches\n"
    )
