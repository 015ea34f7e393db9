"""A cached summary of a study, updated incrementally, so that a leaderboard need not read the whole study.

For a journal, only new lines are read; for a database, only new and unfinished trials. A summary that is missing or
belongs to another study is made again from the study itself.
"""

from __future__ import annotations

from pathlib import Path

from nas.results import database_summary, journal_summary
from nas.results.trial_summary import StudySummary
from nas.search.stored import is_database
from nas.search.study_opening import choose


def read_summary(place: str, name: str | None) -> StudySummary:
    """The summary of the study ``name`` (None: the newest), cached for the next call.

    Raises UnusableInputError as ``open_storage`` and ``choose`` do.
    """
    if is_database(place):
        with database_summary.opened(place) as storage:
            return database_summary.of_study(storage, place, choose(database_summary.names(storage), name))
    studies = {study.study_name: study for study in journal_summary.of_journal(Path(place))}
    return studies[choose(list(studies), name)]


def read_summaries(place: str) -> list[StudySummary]:
    """Summaries of all studies of a storage, oldest first; UnusableInputError as from ``open_storage``."""
    if is_database(place):
        with database_summary.opened(place) as storage:
            return [database_summary.of_study(storage, place, name) for name in database_summary.names(storage)]
    return journal_summary.of_journal(Path(place))
