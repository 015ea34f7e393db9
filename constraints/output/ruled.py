"""The tables of ``validate`` on a terminal, with a rule below the headings and no other lines, and headings in them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from rich.box import Box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_HEADING_RULE = Box("\n".join(["    ", "    ", "----", "    ", "    ", "    ", "    ", "    "]) + "\n", ascii=True)


def ruled_table(*, show_header: bool = True) -> Table:
    """A table as wide as the terminal, with a line below its headings only."""
    box, padding = _HEADING_RULE, (0, 1, 0, 0)
    return Table(box=box, padding=padding, pad_edge=False, expand=True, show_edge=False, show_header=show_header)


@dataclass(frozen=True)
class Heading:
    """A stage's heading, whose further lines on a narrow terminal are indented."""

    text: str

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield Text(textwrap.fill(self.text, options.max_width, subsequent_indent=" " * 4), style="italic cyan")

    def __rich_measure__(self, _: Console, options: ConsoleOptions) -> Measurement:
        widest = cell_len(self.text)
        return Measurement(min(widest, 1), widest).with_maximum(options.max_width)
