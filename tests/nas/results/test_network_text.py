from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from nas.results.network_text import NetworkText, lines, pieces

NETWORK = "BR/c8-+c8-c16s2/+c16-fc"


def test_a_text_is_broken_behind_a_layer_or_a_stage() -> None:
    assert pieces(NETWORK) == ["BR/", "c8-", "+c8-", "c16s2/", "+c16-", "fc"]
    assert lines(NETWORK, 10) == ["BR/c8-+c8-", "c16s2/", "+c16-fc"]
    assert lines(NETWORK, 23) == [NETWORK]
    assert lines("c8-verylong/c8", 4) == ["c8-", "very", "long", "/", "c8"]
    assert lines("", 4) == [""]
    assert all("".join(lines(NETWORK, width)) == NETWORK for width in range(1, 30))


def test_a_cell_is_as_wide_as_there_is_room() -> None:
    table = Table(box=None, padding=0, show_header=False)
    table.add_column()
    table.add_column()
    table.add_row("ab", NetworkText(NETWORK))
    file = io.StringIO()
    Console(file=file, width=12, color_system=None).print(table)
    assert [line.rstrip() for line in file.getvalue().splitlines()] == ["abBR/c8-+c8-", "  c16s2/", "  +c16-fc"]


def test_words_in_front_are_broken_at_spaces() -> None:
    file = io.StringIO()
    Console(file=file, width=10, color_system=None).print(NetworkText("BR/c8-+c8", before="#1, trial 0: "))
    assert file.getvalue().splitlines() == ["#1, trial", "0: BR/c8-", "+c8"]
