"""Which trial, study and storage a call means."""

from __future__ import annotations

from pathlib import Path

from nas.results.rows import Row, Source

Trial = Row | str | int
"""A row of a leaderboard; or a number, ``best``, a network's text or a known network's name, as on the command line."""


def located(trial: Trial, storage: str | Path, study: str | None) -> tuple[str, str, str | None]:
    """The trial, its storage and its study: a row of ``nas.leaderboard`` knows the two, whatever else is given."""
    name = str(trial.trial if isinstance(trial, Row) else trial)
    known = trial.source if isinstance(trial, Row) else None
    source = known or Source(str(storage), study or "")
    return name, source.storage, source.study or None
