"""A study in short, kept beside it and brought up to date by what is new, so that a leaderboard need not read it all.

Of a journal the lines behind the last one known are read, of a database the trials that are new or were not finished.
Nothing of this is needed: a summary that is missing, or of another study, is made again from the study itself.
"""

from __future__ import annotations

from pathlib import Path

from nas.results import database_summary, journal_summary
from nas.results.trial_summary import StudySummary
from nas.search.stored import is_database
from nas.search.study import choose


def read_summary(place: str, name: str | None) -> StudySummary:
    """The study ``name`` (the newest where None) in short; its summary is kept for the next time.

    Raises UnusableInputError as ``open_storage`` and ``choose`` do.
    """
    if is_database(place):
        with database_summary.opened(place) as storage:
            return database_summary.of_study(storage, place, choose(database_summary.names(storage), name))
    studies = {study.study_name: study for study in journal_summary.of_journal(Path(place))}
    return studies[choose(list(studies), name)]


def read_summaries(place: str) -> list[StudySummary]:
    """All studies of a storage in short, the oldest first; UnusableInputError as ``open_storage`` raises it."""
    if is_database(place):
        with database_summary.opened(place) as storage:
            return [database_summary.of_study(storage, place, name) for name in database_summary.names(storage)]
    return journal_summary.of_journal(Path(place))
