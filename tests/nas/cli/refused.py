"""Commands that cannot be done."""

from __future__ import annotations

import re

import pytest

import search


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the one line on stderr of a command that cannot be done says, before it names the command's own help."""
    return re.sub(r": see search\.py \w+ --help$", "", refused_line(capsys, *arguments))


def refused_line(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The whole of it."""
    assert search.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err.removeprefix("error: ").rstrip("\n")
