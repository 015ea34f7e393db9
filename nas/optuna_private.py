"""What is used of Optuna beyond its public names, all of it here; ``tests/nas/test_optuna_private.py`` names each.

A study has no public way to its storage, a trial that runs none to be written to again, a database none to the trials
that are new (but one query a trial), and TPE none to what it learns from and chooses among (but a copy of the whole
study for every proposal): so it is in Optuna 5.0.0. ``pyproject.toml`` keeps Optuna to the minor version that this was
written for.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState


def storage_of(study: Study) -> BaseStorage:
    """The storage that a study is kept in."""
    return study._storage


def reopened(study: Study, trial_id: int) -> Trial:
    """A trial that has not ended, by its storage's id, to be written to again."""
    return Trial(study, trial_id)


def trials_after(storage: RDBStorage, study_id: int, last: int, others: set[int]) -> dict[int, FrozenTrial]:
    """The trials of a study in a database with an id above ``last``, and those with one of the ids ``others``, by id.

    Only these are read, as Optuna's own cache does it.
    """
    return {trial._trial_id: trial for trial in storage._get_trials(study_id, None, others, last)}


def with_trials_as(study: Study, shown: Callable[[FrozenTrial], FrozenTrial | None]) -> Study:
    """A study to be read by a sampler, which sees of each trial what ``shown`` makes of it, and those of None not."""
    return cast("Study", _View(study, shown))


class _View:
    """A study of which a sampler sees other trials; all else is the study's."""

    def __init__(self, study: Study, shown: Callable[[FrozenTrial], FrozenTrial | None]) -> None:
        self._study, self._shown = study, shown

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = map(self._shown, self._study._get_trials(deepcopy=deepcopy, use_cache=use_cache))
        return [trial for trial in trials if trial is not None and (states is None or trial.state in states)]


class OpenTPE(TPESampler):
    """TPE with two methods to override: what it learns from, and how good its candidates are."""

    def learnt_from(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Those of the good trials, or of the others, of which it makes its model; all unless overridden."""
        return trials

    def acquisition(
        self, samples: Mapping[str, npt.NDArray[Any]], values: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """The value of each candidate, of which the highest is proposed; TPE's own ``values`` unless overridden.

        ``samples`` holds the candidates' parameters in Optuna's internal representation, an array a parameter.
        """
        return values

    def _build_parzen_estimator(
        self, study: Study, search_space: dict[str, BaseDistribution], trials: list[FrozenTrial], handle_below: bool
    ) -> Any:
        return super()._build_parzen_estimator(study, search_space, self.learnt_from(trials), handle_below)

    def _compute_acquisition_func(self, samples: dict[str, Any], mpe_below: Any, mpe_above: Any) -> Any:
        return self.acquisition(samples, super()._compute_acquisition_func(samples, mpe_below, mpe_above))
