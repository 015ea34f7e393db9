"""All uses of Optuna's private names; ``tests/nas/test_optuna_private.py`` lists each.

Optuna 5.0.0 has no public way to get a study's storage, to write to a running trial again, to read a database's new
trials (except one query per trial), to write several lines of a journal under one lock, or to change what TPE learns
from and chooses among (except copying the whole study for every proposal). ``pyproject.toml`` pins Optuna to the minor
version that this was written for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState


def storage_of(study: Study) -> BaseStorage:
    """The storage of a study."""
    return study._storage


def reopened(study: Study, trial_id: int) -> Trial:
    """An unfinished trial, by its storage's id, opened for writing again."""
    return Trial(study, trial_id)


def trials_after(storage: RDBStorage, study_id: int, last: int, others: set[int]) -> dict[int, FrozenTrial]:
    """A study's trials in a database by id: those with an id above ``last``, and those with ids in ``others``.

    Only these are read, as in Optuna's own cache.
    """
    return {trial._trial_id: trial for trial in storage._get_trials(study_id, None, others, last)}


Shown = Callable[[list[FrozenTrial]], list[FrozenTrial]]
"""A function from a study's trials to those that a sampler sees in their place."""


def with_trials_as(study: Study, shown: Shown) -> Study:
    """A view of a study for a sampler, which sees ``shown(trials)`` in place of its trials."""
    return cast("Study", _View(study, shown))


class _View:
    """A study with replaced trials; everything else is the study's."""

    def __init__(self, study: Study, shown: Shown) -> None:
        self._study, self._shown = study, shown

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = self._shown(self._study._get_trials(deepcopy=deepcopy, use_cache=use_cache))
        return [trial for trial in trials if states is None or trial.state in states]


class GroupedJournal(JournalStorage):
    """A journal's storage that can write several lines under one lock of its file."""

    def __init__(self, journal: BaseJournalBackend, together: Callable[[], AbstractContextManager[None]]) -> None:
        """``together`` holds the journal's file open and locked for the lines that this process appends."""
        super().__init__(journal)
        self._thread_lock = threading.RLock()  # type: ignore[assignment]  # Optuna's cannot be taken twice
        self._hold = together

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block whose writes to the storage take the file's lock once; reads and writes of other threads wait."""
        with self._thread_lock, self._hold():
            yield


class OpenTPE(TPESampler):
    """TPE with two methods to override: what it learns from, and how good its candidates are."""

    def learnt_from(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """The trials, of the good or of the other ones, from which it builds its model; all unless overridden."""
        return trials

    def acquisition(
        self, samples: Mapping[str, npt.NDArray[Any]], values: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """The value of each candidate, the highest of which is proposed; TPE's own ``values`` unless overridden.

        ``samples`` has the candidates' parameters in Optuna's internal representation, one array per parameter.
        """
        return values

    def _build_parzen_estimator(
        self, study: Study, search_space: dict[str, BaseDistribution], trials: list[FrozenTrial], handle_below: bool
    ) -> Any:
        return super()._build_parzen_estimator(study, search_space, self.learnt_from(trials), handle_below)

    def _compute_acquisition_func(self, samples: dict[str, Any], mpe_below: Any, mpe_above: Any) -> Any:
        return self.acquisition(samples, super()._compute_acquisition_func(samples, mpe_below, mpe_above))
