"""The command ``champions``, and champions by name in the commands that take a trial or a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import search
from nas.champions.registry import champions

PAGE = Path(__file__).parents[3] / "docs" / "commands.md"


def test_the_most_accurate_is_first_and_says_below_which_limits_it_is_best(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["champions", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["champions"]
    accuracies = [one["test_accuracy"] for one in found]
    assert accuracies == sorted(accuracies, reverse=True)
    assert 200_000 in next(one for one in found if one["params"] < 200_000)["best_under"]
    (row,) = (line for line in PAGE.read_text().splitlines() if line.startswith("| `champions` | `champions`"))
    assert all(f"`{key}`" in row for key in found[0])


def test_the_table_has_a_line_and_a_command_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["champions"]) == 0
    out = capsys.readouterr().out
    assert "champion-wide" in out
    assert "85.65 ± 0.18" in out
    assert "benchmarks.recipes" in out


@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_table_has_whole_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Names are what the other commands take."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert search.run(["champions"]) == 0
    table = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in table[1:]] == [
        one.name for one in sorted(champions().values(), key=lambda one: -one.test_accuracy)
    ]
    assert all(len(line) <= width for line in table)


def test_show_and_compare_want_no_study(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    storage = ["--storage", str(tmp_path / "none.log"), "--format", "json"]
    assert search.run(["show", "champion-wide", *storage]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["champion"], shown["study"], shown["trial"]) == ("champion-wide", None, None)
    assert (shown["params"], shown["test_accuracy"], shown["test_seeds"]) == (196_666, 0.8565, 3)
    assert [shown[name] for name in ("rank", "seconds", "meets_target", "val_accuracy")] == [None] * 4
    assert all(constraint["ok"] for constraint in shown["report"]["constraints"])
    assert search.run(["compare", "champion-wide", "champion-search", *storage]) == 0
    differences = json.loads(capsys.readouterr().out)["differences"]
    assert differences["params"] == 184_514 - 196_666
    assert "seconds" not in differences
    assert search.run(["compare", "champion-wide", "champion-search", *storage[:2]]) == 0
    (seconds,) = (line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("seconds"))
    assert seconds.split() == ["seconds", "-", "-"]


def test_an_export_without_weights_says_what_to_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    place = str(tmp_path / "net.safetensors")
    assert search.run(["export", "champion-wide", "--to", place]) == 2
    assert "no weights of champion-wide ship" in capsys.readouterr().err
    assert search.run(["export", "champion-wide", "--to", place, "--untrained"]) == 0


def test_a_champion_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["show", "champion-1k"]) == 2
    assert "no such champion: 'champion-1k': known are champion-search" in capsys.readouterr().err


def test_validate_names_a_champion_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["validate", "champion-0.001M"]) == 2
    assert "no such champion: 'champion-0.001M': known are champion-search" in capsys.readouterr().err
