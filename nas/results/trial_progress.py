"""A trial while it trains: its progress and curve, without building its network."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from nas.results.network_text import NetworkText
from nas.results.numbers import duration
from nas.results.rows import Row
from nas.results.sparklines import chart
from nas.search.study import Described, shared

_CHART_LABEL = 8
"""Characters that a chart takes beside its bars."""


def as_line(row: Row, study: Described) -> str:
    """State, epochs and accuracy in one line."""
    whole = shared(study).get("epochs")
    of = f" of {whole}" if whole else ""
    value = "" if row.score is None else f", validation {row.measure.replace('_', ' ')} {row.score:.2%}"
    return f"trial {row.trial}: {row.state}, {row.epochs}{of} epochs in {duration(row.seconds)}{value}"


def as_lines(row: Row, study: Described, width: int) -> RenderableType:
    """The same line with the network and the curve, for a terminal of ``width`` columns."""
    bars = chart(row.scores, width=width - _CHART_LABEL)
    drawn = [Text(line, no_wrap=True, overflow="crop") for line in bars] or [Text("no epoch yet", style="dim")]
    hint = Text("shown until it has ended, then in full; Ctrl-C ends this", style="dim")
    return Group(Text(as_line(row, study), style="bold"), NetworkText(row.network), *drawn, hint)
