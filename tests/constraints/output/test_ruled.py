"""Tables with a rule below their headings, and headings of stages within them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from constraints.output.ruled import Heading, ruled_table


def printed(what: object, width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(what)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [20, 33])
def test_a_table_fills_the_terminal_and_has_one_rule(width: int) -> None:
    table = ruled_table()
    table.add_column("layer")
    table.add_column("params", justify="right")
    table.add_row("conv", "216")
    table.add_row("fc", "10")
    heading, rule, *rows = printed(table, width)
    assert heading.split() == ["layer", "params"]
    assert rule == "-" * width, "plain characters, which every terminal has"
    assert [row.split() for row in rows] == [["conv", "216"], ["fc", "10"]]
    assert {len(row) for row in rows} == {width}


def test_without_headings_there_is_no_rule() -> None:
    table = ruled_table(show_header=False)
    table.add_column()
    table.add_row("conv")
    assert printed(table, 20) == ["conv"]


def test_a_heading_is_one_line_or_indented_ones() -> None:
    text = "stage 1: 32 x 32, three convolutions"
    assert printed(Heading(text), len(text)) == [text]
    first, *others = printed(Heading(text), len(text) - 1)
    assert text.startswith(first)
    assert others == [f"    {text.removeprefix(first).strip()}"]
    narrow = printed(Heading(text), 16)
    assert max(map(len, narrow)) <= 16
    assert " ".join(line.strip() for line in narrow) == text
