"""Optuna's TPE, which judges many candidates before it proposes one, and learns from those that wait at a rung."""

from __future__ import annotations

import copy
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

MOST_LEARNT = 1_000
"""Trials of which TPE makes either of its two models, which cost time and memory with each."""

Values = Callable[[FrozenTrial], Sequence[float]]
"""What a trial is worth as far as it is trained, for each direction of its study."""


class SoFar:
    """A study as TPE should see it: a trial that is not complete but has intermediate values counts by them.

    It counts as pruned, or, in a study of several objectives, as complete with ``values``. TPE by itself takes every
    running trial for a bad one, and cannot rank pruned trials by several objectives.
    """

    def __init__(self, study: Study, values: Values | None) -> None:
        """``values`` is needed for several objectives."""
        self._study, self._values = study, values
        self._has_one_objective = len(study.directions) == 1

    def __getattr__(self, name: str) -> Any:
        """All else is the study's."""
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = map(self._shown, self._study._get_trials(deepcopy=deepcopy, use_cache=use_cache))
        return [trial for trial in trials if states is None or trial.state in states]

    def _shown(self, trial: FrozenTrial) -> FrozenTrial:
        if trial.state not in (TrialState.RUNNING, TrialState.PRUNED):
            return trial
        if self._has_one_objective:
            is_waiting = trial.state == TrialState.RUNNING and trial.intermediate_values
            return _with(trial, TrialState.PRUNED) if is_waiting else trial
        if self._values is None or not trial.intermediate_values:
            return _with(trial, TrialState.RUNNING)
        return _with(trial, TrialState.COMPLETE, list(self._values(trial)))


def _with(trial: FrozenTrial, state: TrialState, values: list[float] | None = None) -> FrozenTrial:
    """A copy of a trial in another state."""
    shown = copy.copy(trial)
    shown.state = state
    if values is not None:
        shown.values = values
    return shown


class BulkTPE(TPESampler):
    """TPE that looks for its best candidate among those that are allowed.

    TPE draws candidates from its model of good trials and proposes the one with the best ratio of likelihoods; here
    what is not allowed is left out before the best is taken. Its model is untouched.
    """

    feasible: Callable[[list[dict[str, Any]]], npt.NDArray[np.bool_]] | None = None
    """Which of several choices keep the constraints."""
    is_new: Callable[[dict[str, Any]], bool] = staticmethod(lambda choices: True)
    distributions: Mapping[str, BaseDistribution] = {}
    values: Values | None = None
    """What a trial is worth so far, where a study has several objectives."""
    has_searched = False
    """Whether it has made a model and asked what is allowed."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The choices of TPE, learnt from all that is trained."""
        return super().sample_relative(cast("Study", SoFar(study, self.values)), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """One choice, learnt from all that is trained."""
        view = cast("Study", SoFar(study, self.values))
        return super().sample_independent(view, trial, param_name, param_distribution)

    def _build_parzen_estimator(
        self, study: Study, search_space: dict[str, BaseDistribution], trials: list[FrozenTrial], handle_below: bool
    ) -> Any:
        """Of the good trials, or of the others, at most the MOST_LEARNT last."""
        return super()._build_parzen_estimator(study, search_space, trials[-MOST_LEARNT:], handle_below)

    def _compute_acquisition_func(self, samples: dict[str, Any], mpe_below: Any, mpe_above: Any) -> Any:
        values = super()._compute_acquisition_func(samples, mpe_below, mpe_above)
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
