"""The look of the tables of the commands."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from constraints.output.plain import fall_back
from nas.results.table_style import styled_table


def lines(*, is_narrow: bool) -> list[str]:
    table = styled_table("a", "bb", is_narrow=is_narrow)
    table.add_row("1", "2")
    file = io.StringIO()
    Console(file=file, width=40).print(table)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize(("is_narrow", "between"), [(True, 1), (False, 2)])
def test_there_is_a_rule_below_the_headings_and_no_frame(is_narrow: bool, between: int) -> None:
    heading, rule, row = lines(is_narrow=is_narrow)
    space = " " * (heading.index("bb") - 1)
    assert len(space) >= between
    assert (heading, row) == (f"a{space}bb", f"1{space}2")
    assert set(rule.strip()) == {"─"}


def test_a_narrow_table_is_narrower() -> None:
    assert len(lines(is_narrow=True)[0]) < len(lines(is_narrow=False)[0])


def test_an_output_without_lines_has_no_frame_either() -> None:
    table = styled_table("a", "b")
    table.add_row("1", "2")
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    fall_back(stream)
    Console(file=stream, width=40).print(table)
    stream.flush()
    rule = raw.getvalue().decode().splitlines()[1]
    assert set(rule.strip()) == {"-"}
