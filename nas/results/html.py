"""A leaderboard and a trial's card as HTML for notebooks: without scripts, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from constraints.output.plain import html_text
from nas.results.board import Leaderboard
from nas.results.board_lines import cells, footer, headings, title
from nas.results.sparklines import sparkline

if TYPE_CHECKING:
    from nas.results.trial_card import Card


def board_html(board: Leaderboard) -> str:
    """The ranked trials as a table, with the title and the lines below it as on the command line."""
    rows = (
        [
            *map(html_text, cells(row, board, deviation=True)),
            sparkline(row.scores),
            f"<code>{html_text(row.network)}</code>",
        ]
        for row in board.rows
    )
    below = (f"<p>{html_text(line.plain)}</p>" for line in footer(board, wide=True))
    return "\n".join(
        [
            "<div>",
            f"<p><b>{html_text(title(board))}</b></p>",
            *_table([*headings(board), "architecture"], rows),
            *below,
            "</div>",
        ]
    )


def card_html(card: Card) -> str:
    """One trial: its stages as a table, its learning curve, and the report of its network."""
    row = card.row
    stages = (
        [
            html_text(stage.name),
            f"<code>{html_text('-'.join(stage.blocks))}</code>",
            "x".join(map(str, stage.output)),
            "x".join(map(str, stage.receptive_field or ())),
            f"{stage.params:,}",
            f"{stage.macs:,}",
        ]
        for stage in card.stages
    )
    known = f"{card.title} {sparkline(row.curve)}"
    return "\n".join(
        [
            "<div>",
            f"<p><b>{html_text(known)}</b><br><code>{html_text(row.network)}</code></p>",
            *_table(["stage", "blocks", "output", "RF", "params", "MACs"], stages),
            card.report._repr_html_(),
            "</div>",
        ]
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    """The lines of a table; the cells are HTML already."""
    yield "<table><tr>" + "".join(f"<th>{html_text(heading)}</th>" for heading in headings) + "</tr>"
    yield from ("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    yield "</table>"
