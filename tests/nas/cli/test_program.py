"""The help of every command, and what every command takes."""

from __future__ import annotations

import re

import pytest

import search
from nas.cli.program import GENERAL, general

COMMANDS = sorted(c.name or getattr(c.callback, "__name__", "") for c in search.app.registered_commands)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert search.run([*arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("columns", [80, 140])
def test_every_command_s_help_is_in_groups_without_names_of_types(
    command: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = shown(capsys, command, "-h")
    assert out == shown(capsys, command, "--help")
    assert not re.search(r"<\w+|list\[|\{|x>=|x<=", out)
    assert "\nGeneral:\n" in out
    assert "Options:" not in out
    assert max(map(len, out.splitlines())) <= columns
    assert f"Example: uv run search.py {command}" in out
    assert set(re.findall(r"default[s:] ?", out)) <= {"default: ", "default:"}


def test_launch_has_its_flags_by_what_they_are_about(capsys: pytest.CaptureFixture[str]) -> None:
    sections = re.findall(r"^(\S.*):$", shown(capsys, "launch", "--help"), re.M)
    assert sections == [
        "What to search", "Rules", "Budget", "Data and training", "Where it runs", "Output", "General"
    ]  # fmt: skip


def test_the_program_lists_every_command_once_with_its_whole_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "-h")
    assert "..." not in out.replace("[ARGS]...", "")
    for command in COMMANDS:
        assert len(re.findall(rf"^  {command}  ", out, re.M)) == 1, command


def test_what_every_command_takes_is_taken_anywhere_but_after_two_dashes() -> None:
    (quiet, verbose, debug) = GENERAL
    assert general(["-q", "show", "--debug", "best"]) == (["show", "best"], {quiet, debug})
    assert general(["show", "-v", "--", "-q"]) == (["show", "--", "-q"], {verbose})
