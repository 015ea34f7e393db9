"""Summaries of a database's studies, updated by reading only new and unfinished trials."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nas.results import kept_summary
from nas.results.board_reading import mark_checked
from nas.results.trial_summary import StudySummary, TrialSummary
from nas.search.stored import TrialState
from nas.search.study import MALFORMED
from nas.user_folders import user_cache

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


@contextmanager
def opened(url: str) -> Iterator[RDBStorage]:
    """The database at ``url``; UnusableInputError as ``open_storage`` raises it."""
    from optuna.storages import RDBStorage

    from nas.search.storage import close_storage, one_line_damage, open_storage

    storage = open_storage(url)
    assert isinstance(storage, RDBStorage)
    try:
        with one_line_damage(url):
            yield storage
    finally:
        close_storage(storage)


def names(storage: RDBStorage) -> list[str]:
    """The names of a database's studies, in the order of creation."""
    return sorted((study.study_name for study in storage.get_all_studies()), key=storage.get_study_id_from_name)


def of_study(storage: RDBStorage, url: str, chosen: str) -> StudySummary:
    """The summary of the study ``chosen`` in the database at ``url``."""
    study = storage.get_study_id_from_name(chosen)
    key = hashlib.sha256(f"{url} {chosen} {study}".encode()).hexdigest()[:24]
    kept = user_cache() / "digests" / f"{key}.json"
    before, begun = _known_trials(kept)
    new, times = _fetched(storage, study, before)
    if before and times.get(max(before)) != begun:
        before, (new, times) = {}, _fetched(storage, study, {})  # a study of this name in a database made again
    trials = before | new
    last = times.get(max(trials, default=-1))
    ordered = sorted(trials.values(), key=lambda t: t.number)
    summary = StudySummary(study_name=chosen, user_attrs=storage.get_study_user_attrs(study), trials=ordered)
    mark_checked(summary)
    kept_summary.keep(kept, {"begun": last, "trials": [[i, t.as_list()] for i, t in trials.items()]})
    return summary


def _fetched(
    storage: RDBStorage, study: int, known: Mapping[int, TrialSummary]
) -> tuple[dict[int, TrialSummary], dict[int, str]]:
    """By their storage's id, the trials that are new or were unfinished, and the last known one; and their beginnings.

    A beginning, to the microsecond, tells a trial from that of another database at the same address.
    """
    from nas.optuna_private import trials_after

    last = max(known, default=-1)
    wanted = {last, *(i for i, trial in known.items() if not trial.state.is_finished())}
    found: dict[int, TrialSummary] = {}
    read = trials_after(storage, study, last, wanted)
    for trial_id, trial in read.items():
        short = found[trial_id] = TrialSummary(number=trial.number, study=study, state=TrialState(trial.state))
        short.note(trial.user_attrs)
        short.intermediate_values.update(trial.intermediate_values)
    return found, {trial_id: str(trial.datetime_start) for trial_id, trial in read.items()}


def _known_trials(kept: Path) -> tuple[dict[int, TrialSummary], str]:
    """The trials of a cached summary, and the beginning of the last one."""
    document = kept_summary.read(kept)
    try:
        trials = {i: TrialSummary.from_list(values) for i, values in document.get("trials", ())}
        return trials, str(document.get("begun"))
    except MALFORMED:
        return {}, ""
