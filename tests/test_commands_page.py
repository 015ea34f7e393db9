"""docs/commands.md names every command, every exit code and every key of the JSON documents that commands print."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import search
from constraints.errors import ExitCode
from nas.search.expected_accuracy import Expectation

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
BY_NAME = ("counts", "rejected", "metrics", "ranges", "differences")
"""Keys whose own keys are names of metrics, states or rules."""


def rows(heading: str) -> list[str]:
    section = PAGE.split(f"\n## {heading}\n")[1] if heading else PAGE
    return [line for line in section.split("\n## ")[0].splitlines() if line.startswith("| ")][1:]


def words(row: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", row))


def keys(document: Any) -> set[str]:
    if isinstance(document, list):
        return set().union(*map(keys, document))
    if not isinstance(document, dict):
        return set()
    return set(document).union(*(keys(value) for name, value in document.items() if name not in BY_NAME))


@pytest.mark.parametrize(
    ("output", "commands"),
    [
        ("validate-fixed", ["validate"]),
        ("leaderboard", ["leaderboard"]),
        ("show", ["show", "leaderboard", "validate"]),
        ("compare", ["compare", "show", "leaderboard", "validate"]),
        ("space-assignment", ["space"]),
    ],
)
def test_every_key_that_a_command_prints_is_described(output: str, commands: list[str]) -> None:
    text = (ROOT / "tests" / "outputs" / f"{output}.json.txt").read_text(encoding="utf-8")
    document, _ = json.JSONDecoder().raw_decode(text[text.index("\n{") + 1 :])
    described = [row for row in rows("JSON documents") if words(row.split("|")[1]) & set(commands)]
    assert len(described) == len(commands)
    assert keys(document) - {"file", "line"} <= set().union(*map(words, described))


def test_every_key_of_an_expectation_is_described() -> None:
    (row,) = (row for row in rows("JSON documents") if "leaderboard" in words(row.split("|")[1]))
    assert {field.name for field in fields(Expectation)} <= words(row)


def test_every_exit_code_is_there() -> None:
    assert [int(row.split("|")[1]) for row in rows("Exit codes")] == [int(code) for code in ExitCode]


def commands() -> set[str]:
    return {command.name or command.callback.__name__ for command in search.app.registered_commands if command.callback}


def test_every_command_is_there() -> None:
    assert set().union(*(words(row.split("|")[1]) for row in rows(""))) >= commands()


def test_what_each_command_is_for_is_on_a_page_of_its_own() -> None:
    page = (ROOT / "docs" / "which-command.md").read_text(encoding="utf-8")
    assert {name for name in commands() if not re.search(rf"(search\.py|`) ?{name}\b", page)} == set()
