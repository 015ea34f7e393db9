from __future__ import annotations

import pytest
import typer

import search
from nas import command_line


def test_a_command_line_is_that_of_the_program_until_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, ...]] = []
    app = typer.Typer()
    app.command()(lambda: seen.append(command_line.present()))
    monkeypatch.setattr(search, "_commands", lambda: typer.main.get_command(app))
    assert search.run(["-q"], "nas") == 0
    assert seen == [("nas", "-q")]
    assert command_line.present() == ()
