"""The findings of a check with their display: a table in a terminal, foldable HTML in a notebook; no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from constraints.findings import Findings


@dataclass(frozen=True, kw_only=True)
class Report(Findings):
    """The metrics, verdicts and layers of one model for one input.

    ``str(report)`` is the table with the reasons, so ``assert report.ok, report`` explains itself.
    """

    change: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    """The edits of ``fix_all``, as ``constraints.edits.apply`` makes them; not part of the JSON."""

    def __str__(self) -> str:
        """The table and the reasons, in plain text."""
        from constraints.output.table import text

        return text(self)

    def __repr__(self) -> str:
        """The same text; pytest shows it uncut."""
        return _Uncut(str(self))

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdicts, and the layers folded by module."""
        from constraints.output.html_fragment import html

        return html(self)


class _Uncut(str):
    """Text that pytest shows uncut: pytest cuts the repr of a message to 240 characters, by ``len``."""

    __slots__ = ()

    def __len__(self) -> int:
        return 0
