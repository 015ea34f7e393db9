"""The trials that decide what Optuna's TPE proposes, so that a proposal in a large study does not rank all of them."""

from __future__ import annotations

import copy
import heapq
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.space.attributes import FINISHED, SEED

MOST_LEARNT = 1_000
"""Most trials in each of TPE's two models, whose time and memory grow with the trials."""
MOST_GOOD = 25
"""Trials that TPE takes for good: a tenth of those that ended, and never more (the default of its ``gamma``)."""


class Counted(NamedTuple):
    """A trial as it counts in a study of one objective."""

    number: int
    shown: FrozenTrial
    """As TPE should see it: an unfinished trial with intermediate values is pruned."""
    order: tuple[float, ...] | None
    """Optuna's order, best first; None of a trial that has not ended."""


class DecisiveTrials:
    """Selects the trials of which TPE makes its models; how a trial counts is computed once, until it changes."""

    def __init__(self) -> None:
        """Nothing is known of any trial yet."""
        self._known: dict[int, tuple[FrozenTrial, Counted | None]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """A copy in another process knows nothing yet, rather than all trials of a study."""
        return {"_known": {}}

    def of(self, trials: Iterable[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
        """The MOST_GOOD best of the trials and the last MOST_LEARNT of the others: TPE chooses the same as from all.

        Where so few have ended that TPE takes fewer for good, it is all. Networks that the user trained are left
        out, and so are trials that failed or wait to be started.
        """
        counted = [one for trial in trials if (one := self._counted(trial, direction)) is not None]
        ended = [(one.order, one.number) for one in counted if one.order is not None]
        good = {number for _, number in heapq.nsmallest(MOST_GOOD, ended)}
        others = [one.number for one in counted if one.number not in good]
        chosen = good.union(others[-MOST_LEARNT - 1 :])  # one of them may be the trial that the choices are for
        if sum(number in chosen for _, number in ended) < 10 * MOST_GOOD:
            return [one.shown for one in counted]
        return [one.shown for one in counted if one.number in chosen]

    def _counted(self, trial: FrozenTrial, direction: StudyDirection) -> Counted | None:
        known, counted = self._known.get(number := trial.number, (None, None))
        if known is not trial:  # a storage replaces a trial that changes
            counted = _counted(trial, direction)
            self._known[number] = (trial, counted)
        return counted


def _counted(trial: FrozenTrial, direction: StudyDirection) -> Counted | None:
    if SEED in trial.user_attrs or trial.state in (TrialState.FAIL, TrialState.WAITING):
        return None
    if (trial.state == TrialState.RUNNING or is_finished(trial)) and trial.intermediate_values:
        trial = with_state(trial, TrialState.PRUNED)
    has_ended = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    return Counted(trial.number, trial, _order(trial, direction) if has_ended else None)


def with_state(trial: FrozenTrial, state: TrialState) -> FrozenTrial:
    """A copy of a trial in another state."""
    shown = copy.copy(trial)
    shown.state = state
    return shown


def is_finished(trial: FrozenTrial) -> bool:
    """Whether its confirmation completed it."""
    return trial.state == TrialState.COMPLETE and FINISHED in trial.user_attrs


def _order(trial: FrozenTrial, direction: StudyDirection) -> tuple[float, ...]:
    """Optuna's order: complete trials by value, pruned ones by last step and value, then broken constraints."""
    sign = 1.0 if direction == StudyDirection.MINIMIZE else -1.0
    if (violation := sum(value for value in trial.constraints.values() if value > 0)) > 0:
        return 2, violation
    if trial.state == TrialState.COMPLETE:
        return 0, sign * (trial.value or 0.0)
    if not trial.intermediate_values:
        return 1, 1, 0.0
    step, value = max(trial.intermediate_values.items())
    return 1, -step, math.inf if math.isnan(value) else sign * value
