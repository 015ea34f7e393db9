import json
from pathlib import Path

import pytest

import search
from tests.nas.results.known import PLAIN, network_study

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    network_study(tmp_path / "runs" / "journal.log")
    return tmp_path


@pytest.mark.parametrize("trial", ["best", "0", PLAIN])
def test_a_trial_is_found_by_number_text_or_as_the_best(trial: str, capsys: Captured) -> None:
    assert search.run(["show", trial, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["trial"], document["architecture"]) == (0, PLAIN)
    assert document["report"]["metrics"]["receptive_field"] == 107


def test_show_is_a_table(capsys: Captured) -> None:
    assert search.run(["show"]) == 0
    assert "study networks, trial 0: complete, 3 epochs" in capsys.readouterr().out


def test_compare_has_both_sides(capsys: Captured) -> None:
    assert search.run(["compare", "0", "1", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["left"]["trial"], document["right"]["trial"]) == (0, 1)
    assert search.run(["compare", "0", "1"]) == 0
    assert "difference" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "9"], "error: no such trial: '9': the study holds trials 0 to 2"),
        (["show", "best", "--format", "xml"], "error: unknown format: 'xml': use table, json"),
        (["compare", "0", "x"], "error: no such trial: 'x'"),
        (["doctor", "--clean"], "error: cannot ask: stdin is not a terminal: add --yes"),
    ],
)
def test_one_line_for_each_error(
    arguments: list[str], message: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115, PTH123 (pytest closes it)
    assert search.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(message)
    assert captured.err.count("\n") == 1


def test_doctor_is_well_here(capsys: Captured) -> None:
    assert search.run(["doctor", "--storage", "runs/journal.log", "--format", "json"]) == 0
    findings = {f["name"]: f for f in json.loads(capsys.readouterr().out)}
    assert findings["runs/journal.log"]["text"] == "networks"


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
