"""Finds the trial, study and storage that a call refers to."""

from __future__ import annotations

from pathlib import Path

from nas.results.rows import Row, TrialLocation

Trial = Row | str | int
"""A row of a leaderboard; or a number, ``best``, a network's text or a known network's name, as on the command line."""


def located(trial: Trial, storage: str | Path, study: str | None) -> tuple[str, str, str | None]:
    """(trial, storage, study); a row of ``nas.leaderboard`` brings its own storage and study, which win."""
    name = str(trial.trial if isinstance(trial, Row) else trial)
    known = trial.source if isinstance(trial, Row) else None
    source = known or TrialLocation(str(storage), study or "")
    return name, source.storage, source.study or None
