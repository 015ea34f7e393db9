from pathlib import Path
from typing import Any

import pytest

from constraints.rules import ASSIGNMENT, parse_all
from nas.results.board import leaderboard
from nas.results.report.space_section import space_section
from nas.results.rows import Row
from nas.space.space import load
from tests.nas.results.known import network_study

RULES = parse_all(ASSIGNMENT)


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Row, ...]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return leaderboard(network_study(tmp_path / "journal.log")).rows


def identity(name: str, fingerprint: str) -> dict[str, Any]:
    return {"space": {"name": name, "hash": fingerprint}}


def test_a_preset_is_described_under_the_studys_constraints(rows: tuple[Row, ...]) -> None:
    found = space_section(identity("tiny", load("tiny").fingerprint), RULES, rows)
    assert (found.name, found.note) == ("tiny", "")
    assert found.found is not None
    assert [c["expr"] for c in found.found["constraints"]] == [c.expr for c in RULES]
    assert 0 < found.found["feasible"] < found.found["size"]


def test_a_changed_space_is_not_described(rows: tuple[Row, ...]) -> None:
    found = space_section(identity("tiny", "0" * 16), RULES, rows)
    assert (found.found, found.note) == (None, "The space has changed since the study was made.")


def test_a_file_that_is_gone_is_named(rows: tuple[Row, ...], tmp_path: Path) -> None:
    place = str(tmp_path / "mine.toml")
    found = space_section(identity(place, "0" * 16), RULES, rows)
    assert found.found is None
    assert found.note.startswith("The space cannot be described: ")
    assert place in found.note


def test_a_study_without_trials_or_without_a_space_is_said(rows: tuple[Row, ...]) -> None:
    assert space_section({}, RULES, rows).note == "The study names no space."
    assert space_section(identity("tiny", ""), RULES, ()).note == "No network was proposed yet."


def test_a_space_is_counted_once_and_anew_where_what_was_kept_is_damaged(
    rows: tuple[Row, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []

    def describe(*given: Any) -> dict[str, Any]:
        counted.append(given)
        return {"size": 1}

    monkeypatch.setattr("nas.results.report.space_section.describe", describe)
    known = identity("tiny", load("tiny").fingerprint)
    for _ in range(2):
        assert space_section(known, RULES, rows).found == {"size": 1}
    assert len(counted) == 1
    space_section(known, RULES[:1], rows)
    assert len(counted) == 2
    for kept in (tmp_path / "cache").rglob("*.json"):
        kept.write_text("{")
    space_section(known, RULES, rows)
    assert len(counted) == 3
