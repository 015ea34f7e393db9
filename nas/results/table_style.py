"""The look of every table of the commands except those of ``validate``."""

from __future__ import annotations

from rich import box
from rich.table import Table

_RULE = box.Box(str(box.SIMPLE_HEAD), ascii=True)
"""Without ``ascii``, rich draws a frame where the output's encoding has no line; ``fall_back`` replaces the line."""


def styled_table(*headings: str, is_narrow: bool = True) -> Table:
    """A table without a frame, with a rule below its headings; a narrow one has less space between its columns."""
    return Table(
        *headings,
        box=_RULE,
        pad_edge=False,
        collapse_padding=is_narrow,
        show_edge=False,
        header_style="bold",
    )
