"""Optuna's TPE, which judges many candidates before it proposes one, and learns from those that wait at a rung."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.optuna_private import OpenTPE, with_trials_as
from nas.space.attributes import FINISHED, SEED

MOST_LEARNT = 1_000
"""Trials of which TPE makes either of its two models, which cost time and memory with each."""

Values = Callable[[FrozenTrial], Sequence[float]]
"""The value of a trial as far as it is trained, for each direction of its study."""


def so_far(study: Study, values: Values | None) -> Study:
    """A study as TPE should see it: a trial that was not trained to the end but has intermediate values counts by them.

    It counts as pruned, or, in a study of several objectives, as complete with ``values``, which is needed there: by
    the value that it would reach after as many steps as the furthest trial (``expected``). TPE by itself takes every
    running trial for a bad one, and cannot rank pruned trials by several objectives. A trial that its confirmation
    completed (FINISHED) was trained by the search for a few epochs, as a pruned one. Networks
    that the user trained have no parameters to learn from.
    """
    has_one_objective = len(study.directions) == 1
    moved = (lambda trial: trial) if has_one_objective or values is None else expected(study)

    def shown(trial: FrozenTrial) -> FrozenTrial | None:
        if SEED in trial.user_attrs:
            return None
        is_finished = trial.state == TrialState.COMPLETE and FINISHED in trial.user_attrs
        if trial.state not in (TrialState.RUNNING, TrialState.PRUNED) and not is_finished:
            return trial
        if has_one_objective:
            is_cut = (is_finished or trial.state == TrialState.RUNNING) and trial.intermediate_values
            return _with(trial, TrialState.PRUNED) if is_cut else trial
        if values is None or not trial.intermediate_values:
            return _with(trial, TrialState.RUNNING)
        return _with(trial, TrialState.COMPLETE, list(values(moved(trial))))

    return with_trials_as(study, shown)


def expected(study: Study) -> Callable[[FrozenTrial], FrozenTrial]:
    """A function from a trial to itself with an intermediate value at the furthest step that any candidate reached.

    After two epochs a candidate is worse than it will be after twenty: beside complete ones it would be dominated for
    the time that it has not trained. So its last value is moved by what those that reached the furthest step gained
    from that step on, in the median; where none has values at both, it stays.
    """
    known = [trial for trial in study.get_trials(deepcopy=False) if SEED not in trial.user_attrs]
    trials = [trial.intermediate_values for trial in known if trial.intermediate_values]
    furthest = max((max(steps) for steps in trials), default=0)
    reached = [steps for steps in trials if furthest in steps]

    @cache
    def gain(step: int) -> float:
        gains = [steps[furthest] - steps[step] for steps in reached if step in steps]
        return statistics.median(gains) if gains else 0.0

    def moved(trial: FrozenTrial) -> FrozenTrial:
        last = max(trial.intermediate_values)
        if last == furthest:
            return trial
        shown = copy.copy(trial)
        value = trial.intermediate_values[last] + gain(last)
        shown.intermediate_values = {**trial.intermediate_values, furthest: value}
        return shown

    return moved


def _with(trial: FrozenTrial, state: TrialState, values: list[float] | None = None) -> FrozenTrial:
    """A copy of a trial in another state."""
    shown = copy.copy(trial)
    shown.state = state
    if values is not None:
        shown.values = values
    return shown


class BulkTPE(OpenTPE):
    """TPE that looks for its best candidate among those that are allowed.

    TPE draws candidates from its model of good trials and proposes the one with the best ratio of likelihoods; here
    what is not allowed is left out before the best is taken. Its model is untouched.
    """

    feasible: Callable[[list[dict[str, Any]]], npt.NDArray[np.bool_]] | None = None
    """Which of several choices keep the constraints."""
    is_new: Callable[[dict[str, Any]], bool] = staticmethod(lambda choices: True)
    distributions: Mapping[str, BaseDistribution] = {}
    values: Values | None = None
    """The values of a trial so far, where a study has several objectives."""
    has_searched = False
    """Whether it has made a model and asked what is allowed."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The choices of TPE, learnt from all that is trained."""
        return super().sample_relative(so_far(study, self.values), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """One choice, learnt from all that is trained."""
        return super().sample_independent(so_far(study, self.values), trial, param_name, param_distribution)

    def learnt_from(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """At most the MOST_LEARNT last."""
        return trials[-MOST_LEARNT:]

    def acquisition(
        self, samples: Mapping[str, npt.NDArray[Any]], values: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """TPE's own value of each candidate; minus infinity for one that is not allowed, or is better but not new."""
        if self.feasible is None or set(samples) != set(self.distributions):
            return values
        columns = {n: [d.to_external_repr(x) for x in samples[n].tolist()] for n, d in self.distributions.items()}
        self.has_searched = True
        several = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        values = np.where(self.feasible(several), values, -np.inf)
        for best in np.argsort(-values, kind="stable"):  # only the best is proposed, so no more need be known as new
            if values[best] == -np.inf or self.is_new(several[best]):
                break
            values[best] = -np.inf
        return values


def tpe(seed: int) -> BulkTPE:
    """Optuna's default for one objective, seeded; it judges the candidates of its own model before it proposes one."""
    return BulkTPE(seed=seed, multivariate=True, constant_liar=True)
