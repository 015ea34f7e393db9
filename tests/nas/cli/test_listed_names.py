"""Names of tables in help and completion: a new entry of a table is in both."""

from __future__ import annotations

import pytest

import search
from constraints.output import formats
from nas.architecture import formats as files
from nas.cli import completion
from nas.cli.listed_names import alternatives, filled, listed

HOME = "nas.architecture.formats:FORMATS"


def test_a_help_has_the_names_of_the_table_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FORMATS", {".b": None, ".a": None, ".c": None})
    assert filled(f"ends with {listed(HOME)}, always") == "ends with .b, .a or .c, always"
    assert completion.of_table(HOME)() == [".b", ".a", ".c"]
    assert filled("plain {text} without a table") == "plain {text} without a table"


@pytest.mark.parametrize(("known", "text"), [(["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")])
def test_alternatives(known: list[str], text: str) -> None:
    assert alternatives(known) == text


def test_a_format_that_is_added_is_in_the_help_of_its_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(formats, "NAMES", ("table", "csv"))
    monkeypatch.setattr(files, "FORMATS", {".npz": None, ".py": None})
    assert search.run(["validate", "--help"]) == 0
    assert "table or csv" in capsys.readouterr().out
    assert search.run(["export", "--help"]) == 0
    assert "ends with .npz or .py" in capsys.readouterr().out


def test_what_is_missing_is_said_with_the_names_of_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["export", "best"]) == 2
    assert (
        f"--to is missing: give a file name that ends with {alternatives([*files.FORMATS])}" in capsys.readouterr().err
    )
