"""Optuna's TPE, restricted to feasible candidates, which also learns from candidates that wait at a rung."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.optuna_private import OpenTPE, with_trials_as
from nas.space.attributes import SEED
from nas.space.decisive_trials import MOST_LEARNT, DecisiveTrials, is_finished, with_state

Values = Callable[[FrozenTrial], Sequence[float]]
"""A function from a trial to its latest value for each direction of its study."""


def so_far(study: Study, values: Values | None, chosen: DecisiveTrials | None = None) -> Study:
    """A study as TPE should see it: an unfinished trial counts by its intermediate values.

    It counts as pruned or, with several objectives, as complete with ``values`` (required there), moved to what it
    would reach after as many steps as the furthest trial (``expected``). TPE alone takes every running trial for a bad
    one, and cannot rank pruned trials by several objectives. A trial completed by its confirmation (FINISHED) has only
    a few epochs, so it counts like a pruned one. Networks that the user trained have no parameters to learn from.

    With one objective only the decisive trials are seen: ``chosen`` selects them, and knows those without a change.
    """
    if len(study.directions) == 1:
        return with_trials_as(study, partial((chosen or DecisiveTrials()).of, direction=study.direction))
    return with_trials_as(study, partial(_of_several, values=values, moved=expected(study) if values else None))


def _of_several(
    trials: list[FrozenTrial], values: Values | None, moved: Callable[[FrozenTrial], FrozenTrial] | None
) -> list[FrozenTrial]:
    def shown(trial: FrozenTrial) -> FrozenTrial:
        if trial.state not in (TrialState.RUNNING, TrialState.PRUNED) and not is_finished(trial):
            return trial
        if values is None or moved is None or not trial.intermediate_values:
            return with_state(trial, TrialState.RUNNING)
        complete = with_state(trial, TrialState.COMPLETE)
        complete.values = list(values(moved(trial)))
        return complete

    return [shown(trial) for trial in trials if SEED not in trial.user_attrs]


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
    decisive: DecisiveTrials | None = None
    """Selects the trials that it sees of a study with one objective; several samplers may share it."""
    has_searched = False
    """Whether it has built a model and asked which candidates are allowed."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """TPE's choices, learnt from all trained candidates."""
        return super().sample_relative(self._so_far(study), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """One of TPE's choices, learnt from all trained candidates."""
        return super().sample_independent(self._so_far(study), trial, param_name, param_distribution)

    def _so_far(self, study: Study) -> Study:
        self.decisive = self.decisive or DecisiveTrials()
        return so_far(study, self.values, self.decisive)

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
