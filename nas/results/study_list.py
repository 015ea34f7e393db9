"""Lists the studies of a storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from constraints.errors import UnusableInputError
from nas.results.board import leaderboard
from nas.results.rows import STATES
from nas.results.summary_cache import read_summaries
from nas.results.trial_summary import StudySummary
from nas.search.presence import has_launch
from nas.search.study import IDENTITY


@dataclass(frozen=True, kw_only=True)
class StudyEntry:
    """One study; fields that another program's study does not have are empty or None."""

    study: str
    data: str
    space: str
    objective: str
    target: float | None
    counts: Mapping[str, int]
    """State -> number of trials."""
    best: float | None
    """Validation accuracy of the best complete trial."""
    is_readable: bool
    """Whether this tool made its trials: by a launch, or by its sampler with a user's own objective."""
    is_damaged: bool = False
    """Whether a launch made it, and it has values since that no launch stores."""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return asdict(self)


def studies(place: str) -> list[StudyEntry]:
    """The studies of the storage at ``place``, oldest first; UnusableInputError where it cannot be read."""
    return [_entry(summary, has_launch(place, summary)) for summary in read_summaries(place)]


def _entry(summary: StudySummary, is_live: bool | None) -> StudyEntry:
    try:
        board = leaderboard(summary, top=0, is_live=is_live)
    except UnusableInputError:
        board = None
    made_with: Any = summary.user_attrs.get(IDENTITY, {})
    is_ours = bool(made_with) or any(trial.network for trial in summary.trials)
    if board is None or not is_ours or not isinstance(made_with, Mapping):
        counts = dict.fromkeys(STATES, 0) | Counter(_state(trial.state.name, is_live) for trial in summary.trials)
        return StudyEntry(
            study=summary.study_name, data="", space="", objective="", target=None, counts=counts, best=None,
            is_readable=False, is_damaged=isinstance(made_with, Mapping) and "data" in made_with,
        )  # fmt: skip
    space = made_with.get("space")
    return StudyEntry(
        study=summary.study_name,
        data=board.data,
        space=str(space.get("name", "")) if isinstance(space, Mapping) else "",
        objective=str(made_with.get("objective", "")),
        target=board.target,
        counts={state: board.counts[state] for state in STATES},
        best=board.best_complete.score if board.best_complete else None,
        is_readable=True,
    )


def _state(name: str, is_live: bool | None) -> str:
    ended = {"FAIL": "failed", "COMPLETE": "complete", "PRUNED": "pruned"}
    return ended.get(name, "unfinished" if is_live is False else "running")
