"""Optuna's TPE, restricted to feasible candidates, which also learns from candidates that wait at a rung."""

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
"""Most trials in each of TPE's two models, whose time and memory grow with the trials."""

Values = Callable[[FrozenTrial], Sequence[float]]
"""A function from a trial to its latest value for each direction of its study."""


def so_far(study: Study, values: Values | None) -> Study:
    """A study as TPE should see it: an unfinished trial counts by its intermediate values.

    It counts as pruned or, with several objectives, as complete with ``values`` (required there), moved to what it
    would reach after as many steps as the furthest trial (``expected``). TPE alone takes every running trial for a bad
    one, and cannot rank pruned trials by several objectives. A trial completed by its confirmation (FINISHED) has only
    a few epochs, so it counts like a pruned one. Networks that the user trained have no parameters to learn from.
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
    """A function that adds to a trial an estimated intermediate value at the furthest step of any candidate.

    A candidate after two epochs is worse than it would be after twenty, so next to complete ones it would be dominated
    only for its missing training. So its last value is increased by the median gain, from its step to the furthest one,
    of the candidates that have both; where there are none, it is unchanged.
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
    """TPE that proposes the best of the candidates that are allowed.

    TPE draws candidates from its model of good trials and proposes the one with the best likelihood ratio; here,
    candidates that are not allowed are excluded first. The model itself is unchanged.
    """

    feasible: Callable[[list[dict[str, Any]]], npt.NDArray[np.bool_]] | None = None
    """Which of several choices satisfy the constraints."""
    is_new: Callable[[dict[str, Any]], bool] = staticmethod(lambda choices: True)
    distributions: Mapping[str, BaseDistribution] = {}
    values: Values | None = None
    """A trial's latest values, for a study with several objectives."""
    has_searched = False
    """Whether it has built a model and asked which candidates are allowed."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """TPE's choices, learnt from all trained candidates."""
        return super().sample_relative(so_far(study, self.values), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """One of TPE's choices, learnt from all trained candidates."""
        return super().sample_independent(so_far(study, self.values), trial, param_name, param_distribution)

    def learnt_from(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """The last MOST_LEARNT trials."""
        return trials[-MOST_LEARNT:]

    def acquisition(
        self, samples: Mapping[str, npt.NDArray[Any]], values: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """TPE's value of each candidate; minus infinity for those not allowed, or better than the best new one."""
        if self.feasible is None or set(samples) != set(self.distributions):
            return values
        columns = {n: [d.to_external_repr(x) for x in samples[n].tolist()] for n, d in self.distributions.items()}
        self.has_searched = True
        several = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        values = np.where(self.feasible(several), values, -np.inf)
        for best in np.argsort(-values, kind="stable"):  # stops at the first new one, which is the proposal
            if values[best] == -np.inf or self.is_new(several[best]):
                break
            values[best] = -np.inf
        return values


def tpe(seed: int) -> BulkTPE:
    """BulkTPE with a seed and Optuna's defaults for one objective."""
    return BulkTPE(seed=seed, multivariate=True, constant_liar=True)
