"""Leaderboard and trial card for Python users, with text and notebook representations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from constraints.errors import UnusableInputError
from nas.results.board import Leaderboard
from nas.results.rows import COLUMNS, Row
from nas.results.trial_card import Card

if TYPE_CHECKING:
    import pandas as pd

_ACCURACIES = ("val_accuracy", "test_accuracy", "test_std", "val_balanced_accuracy", "test_balanced_accuracy")


@dataclass(frozen=True, kw_only=True, repr=False)
class Board(Leaderboard):
    """The ranked trials of a study; ``str`` is the table of the command line, a notebook shows HTML."""

    def __bool__(self) -> bool:
        """A board without trials is one too."""
        return True

    def __len__(self) -> int:
        """How many trials are shown."""
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        """The trials in order of rank."""
        return iter(self.rows)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Row, ...]: ...

    def __getitem__(self, place: int | slice) -> Row | tuple[Row, ...]:
        """The trial at a place, from 0, or those of a slice; IndexError where there is none."""
        return self.rows[place]

    def to_dataframe(self) -> pd.DataFrame:
        """One row per trial, with the columns of the CSV; an unknown accuracy is NaN.

        Raises UnusableInputError where pandas is not installed, which nothing else needs.
        """
        try:
            import pandas as pd
        except ImportError:
            raise UnusableInputError("pandas is not installed: to_dataframe needs it: pip install pandas") from None
        names = [*COLUMNS, *self.measured]
        table = pd.DataFrame([{name: row.value(name) for name in names} for row in self.rows], columns=names)
        return table.astype({**dict.fromkeys(_ACCURACIES, float), "test_seeds": "Int64"})

    def __str__(self) -> str:
        """The table, as wide as its rows need."""
        from nas.results.board_table import as_plain_text

        return as_plain_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from nas.results.html import board_html

        return board_html(self)


@dataclass(frozen=True, kw_only=True, repr=False)
class TrialCard(Card):
    """One trial in full; ``str`` is what ``search.py show`` prints, a notebook shows HTML."""

    def __str__(self) -> str:
        """Its stages, layers, sizes, curve and constraints, 100 columns wide."""
        from nas.results.card_table import as_plain_text

        return as_plain_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from nas.results.html import card_html

        return card_html(self)
