"""The tables of ``validate`` on a terminal: a rule below the headings and no other lines."""

from __future__ import annotations

from rich.box import Box
from rich.table import Table

_HEADING_RULE = Box("\n".join(["    ", "    ", "----", "    ", "    ", "    ", "    ", "    "]) + "\n", ascii=True)


def ruled_table(*, show_header: bool = True) -> Table:
    """A table as wide as the terminal, with a line below its headings only."""
    box, padding = _HEADING_RULE, (0, 1, 0, 0)
    return Table(box=box, padding=padding, pad_edge=False, expand=True, show_edge=False, show_header=show_header)
