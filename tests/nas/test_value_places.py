"""File and key in messages about values that were read from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

import nas
from constraints.errors import UnusableInputError
from nas.value_places import in_file

READ = [("c.toml: tune", "nope"), ("c.toml: recipe", "sdg"), ("c.toml: from_study", "a")]


@pytest.mark.parametrize(
    ("message", "given", "found"),
    [
        ("--tune: 'nope': no option", {}, "c.toml: tune: 'nope': no option"),
        ("--tune: 'x': no option", {"--tune": "x"}, "--tune: 'x': no option"),
        ("no such recipe: 'sdg': give sgd", {}, "c.toml: recipe: no such recipe: 'sdg': give sgd"),
        ("no such recipe: 'sdg': give sgd", {"--recipe": "sdg"}, "no such recipe: 'sdg': give sgd"),
        ("--from-study: 'a': no such study", {}, "c.toml: from_study: 'a': no such study"),
        ("no GPU here: cuda: take the processor", {}, "no GPU here: cuda: take the processor"),
    ],
)
def test_a_value_of_a_file_is_named_by_file_and_key(message: str, given: dict[str, str], found: str) -> None:
    assert in_file(message, given, READ) == found


@pytest.mark.parametrize(
    ("text", "begins"), [('tune = ["nope"]', "tune: 'nope': no option"), ('recipe = "sdg"', "recipe: no such")]
)
def test_a_launch_from_python_names_them_as_the_command_does(
    text: str, begins: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text(text)
    with pytest.raises(UnusableInputError, match=f"^c.toml: {begins}"):
        nas.launch(config="c.toml", data="digits")
