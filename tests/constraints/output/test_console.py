"""Texts with escape sequences in the output of commands."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from constraints.output.console import SafeConsole

EVIL = "\x1b[31mEVIL\x1b]0;title\x07"


def table(cell: RenderableType) -> Table:
    """One cell under a heading."""
    made = Table(EVIL, title=EVIL)
    made.add_row(cell)
    return made


@pytest.mark.parametrize(
    "shown",
    [EVIL, Text(EVIL, style="bold"), Text("a").append(EVIL, "red"), table(EVIL), table(Text(EVIL)), Panel(Group(EVIL))],
)
def test_no_text_reaches_the_terminal_as_an_escape(shown: RenderableType) -> None:
    console = SafeConsole(file=io.StringIO(), width=80, color_system=None, force_terminal=True)
    console.print(shown)
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b" not in written
    assert "␛[31mEVIL␛]0;title" in written


def test_its_own_escapes_stay_and_styles_keep_their_place() -> None:
    console = SafeConsole(file=io.StringIO(), width=80, color_system="standard", force_terminal=True)
    console.print(Text.assemble("\x1b", ("red", "red")))
    assert console.file.getvalue() == "␛\x1b[31mred\x1b[0m\n"  # type: ignore[attr-defined]
    with Live(Text(EVIL), console=console, auto_refresh=False):
        pass
    assert "\x1b[31mEVIL" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_every_console_of_this_project_is_one() -> None:
    root = Path(__file__).parents[3]
    files = [*(root / "constraints").rglob("*.py"), *(root / "nas").rglob("*.py"), root / "search.py"]
    assert [str(file) for file in files if re.search(r"(?<![\w.])Console\(", file.read_text())] == []
