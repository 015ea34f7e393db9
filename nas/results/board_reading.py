"""What a leaderboard reads of a study: its rows and attributes, refused where this tool did not write them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from constraints.errors import UnusableInputError
from constraints.metrics import LATENCY, Metrics
from nas.results.rows import METRICS, Row, TrialLocation, row_of
from nas.results.trial_summary import StudySummary, TrialSummary
from nas.search.measure import measure_of, objective_of
from nas.search.stored import SeenTrial, TrialState
from nas.search.stored_values import check_confirmation, check_order, check_row, has_network
from nas.search.study import CONFIRMED, MALFORMED, REJECTED, TARGET, VALIDATION_IMAGES, Described, foreign, shared


class Study(Described, Protocol):
    """What a leaderboard reads: a study of Optuna, or its summary."""

    def get_trials(self, deepcopy: bool = ...) -> Sequence[SeenTrial]:
        """All its trials."""


def rows_of(study: Study, storage: str | None, measure: str) -> list[Row]:
    """The rows of all trials that have a network, in the order of trials."""
    source = TrialLocation(storage, study.study_name) if storage is not None else None
    trials, rows, is_launched = study.get_trials(deepcopy=False), [], bool(shared(study))
    for trial in trials:
        if not isinstance(trial, TrialSummary) or trial.checked != _kind(measure, is_launched=is_launched):
            _check(study, trial, measure, is_launched=is_launched)
        if f"{CONFIRMED}{trial.number}" in study.user_attrs:
            check_confirmation(study, trial.number)
        if has_network(trial):
            rows.append(row_of(trial, study.user_attrs, source, measure))
    proposed = {TrialState.COMPLETE, TrialState.PRUNED}  # one that failed may have done so before it had a network
    if not rows and any(TrialState(trial.state) in proposed for trial in trials) and not is_launched:
        raise foreign(study, "none of its trials is a network")
    return rows


def mark_checked(study: StudySummary) -> None:
    """Check the trials of a summary that has no mark of it, and mark those that are right.

    The marks are cached with the summary, so that a trial is checked once; one that is damaged gets none, and every
    reader of its row names it.
    """
    try:
        measure, is_launched = measure_of(study), bool(shared(study))
    except (UnusableInputError, *MALFORMED):  # said by the reader of the study
        return
    for trial in study.trials:
        if not trial.checked:
            with suppress(UnusableInputError):
                _check(study, trial, measure, is_launched=is_launched)
                trial.checked = _kind(measure, is_launched=is_launched)


def _kind(measure: str, *, is_launched: bool) -> str:
    """What the checks of a trial depend on besides itself."""
    return f"{measure} of a launch" if is_launched else measure


def _check(study: Study, trial: SeenTrial, measure: str, *, is_launched: bool) -> None:
    if has_network(trial):
        check_row(study, trial, measure)
    if is_launched:
        check_order(study, trial)


def left(row: Row, is_live: bool | None) -> Row:
    """A row that has not ended is running only while a launch is running, or where that is unknown."""
    return replace(row, state="unfinished") if row.state == "running" and is_live is False else row


def target_of(study: Study) -> float | None:
    """The accuracy that a network must exceed; None where the study has no target."""
    target = study.user_attrs.get(TARGET)
    return None if target is None else float(target)


def rejected_of(study: Study) -> dict[str, int]:
    """Rule -> the number of proposals that it rejected."""
    return dict(study.user_attrs.get(REJECTED, {}))


def images_of(study: Study) -> int:
    """Number of images of each validation accuracy; 0 where unknown."""
    return int(study.user_attrs.get(VALIDATION_IMAGES, 0))


def maximised_of(study: Study) -> frozenset[str]:
    """The objectives besides accuracy that are better when greater."""
    return frozenset(aim.name for aim in objective_of(study)[1] if aim.is_maximised)


def costs(study: Study) -> tuple[str, ...]:
    """The metrics of the Pareto front: the study's other objectives, or parameters where it has none."""
    found = tuple(aim.name for aim in objective_of(study)[1]) or ("params",)
    known = {*METRICS, *Metrics.definitions(), LATENCY}
    if not set(found) <= known and not shared(study).get("metrics"):
        raise foreign(study, f"its objective weighs accuracy against {', '.join(found)}")
    return found
