"""The command ``recipes``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import search
from nas.training import recipes
from nas.training.named_recipes import RECIPES
from nas.training.recipe_files import load, nameless
from nas.training.recipe_table import as_table
from nas.training.tuning import ranges, usual_ranges


def test_the_list_says_what_each_is_for_and_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["recipes", "--format", "json", "--epochs", "40"]) == 0
    found = json.loads(capsys.readouterr().out)["recipes"]
    assert [one["name"] for one in found] == ["default", "long", "sgd", "seed"]
    assert found[0]["options"] == json.loads(json.dumps(as_table(recipes.default(40))))
    assert search.run(["recipes"]) == 0
    printed = "".join(capsys.readouterr().out.split())
    for one in found:
        assert (one["purpose"], one["measured"]) == (RECIPES[one["name"]].purpose, RECIPES[one["name"]].measured)
        assert one["name"] in printed


def test_what_was_measured_is_what_the_page_says() -> None:
    page = (Path(search.__file__).parent / "docs" / "measurements" / "training.md").read_text(encoding="utf-8")
    for figure in ("85.65 ± 0.18 %", "79.28 ± 0.09 %", "5247a21", "23a94dd", "2e5c7f1", "78.0", "79.5", "80.5"):
        assert figure in page
        assert any(figure in known.measured for known in RECIPES.values())


@pytest.mark.parametrize("name", RECIPES)
def test_one_as_a_file_is_read_back_with_its_ranges(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search.run(["recipes", name, "--format", "toml"]) == 0
    text, file = capsys.readouterr().out, tmp_path / "mine.toml"
    before, after = text.split("# [tune]\n")
    file.write_text(before + "[tune]\n" + after.replace("# ", ""))
    source = load(str(file), 20)
    assert nameless(source.recipe) == nameless(RECIPES[name].make(20))
    usual = usual_ranges(source.recipe)
    assert ranges(list(usual), source.tune, source.recipe, "x") == usual


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sdg"], "error: no such recipe: 'sdg': did you mean sgd?: see search.py recipes --help"),
        (["--format", "toml"], "error: --format: 'toml': it is of one recipe: give its name too"),
    ],
)
def test_what_there_is_not(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["recipes", *arguments]) == 2
    assert capsys.readouterr().err.startswith(message)
