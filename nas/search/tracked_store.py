"""A trial store that tells the launch's trackers what it stores, after it is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import Trial

from nas.loggers.tracker import TrialRun
from nas.loggers.trackers import Trackers
from nas.search.study import DATA, FILES, MEASURED, shared
from nas.search.trial_store import TrialStore, by_accuracy, is_given
from nas.space.attributes import ARCHITECTURE, ORIGIN, SEED

_SETTINGS = ("seed", "epochs", "objective")


class TrackedStore(TrialStore):
    """Stores as a TrialStore does; epochs and ends go to the trackers too, those of earlier launches with the next."""

    def __init__(self, study: optuna.Study, trackers: Trackers) -> None:
        """Nothing is read yet."""
        super().__init__(study)
        self.trackers = trackers

    def add_epoch(
        self,
        trial: Trial,
        curve: Sequence[Mapping[str, Any]],
        *,
        is_anew: bool = False,
        score: Callable[[Mapping[str, Any]], float] = by_accuracy,
    ) -> None:
        """Store epochs of ``curve``, then log the epochs that a tracker does not have."""
        super().add_epoch(trial, curve, is_anew=is_anew, score=score)
        self.trackers.epochs(lambda: self._run(trial), trial.number, curve)

    def complete(self, trial: Trial, values: Sequence[float]) -> None:
        """End a trial with its objective values."""
        super().complete(trial, values)
        self.trackers.end(lambda: self._run(trial), trial.number, "complete")

    def prune(self, trial: Trial, reason: str) -> None:
        """End a trial whose candidate is not trained any further."""
        super().prune(trial, reason)
        self.trackers.end(lambda: self._run(trial), trial.number, "pruned", reason)

    def fail(self, trial: Trial, reason: str) -> None:
        """End a trial whose candidate cannot be trained; one that never had a network is no tracker's."""
        super().fail(trial, reason)
        if ARCHITECTURE in trial.user_attrs or is_given(trial):
            self.trackers.end(lambda: self._run(trial), trial.number, "failed", reason)

    def _run(self, trial: Trial) -> TrialRun:
        """What a tracker shows of a trial beside its curve."""
        attributes = trial.user_attrs
        known = {**attributes, **attributes.get(MEASURED, {})}
        numbers = {k: v for k, v in known.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        held = shared(self.study)
        settings = {"data": self.study.user_attrs.get(DATA, ""), **{k: held[k] for k in _SETTINGS if k in held}}
        given = {name: attributes[name] for name in (ORIGIN, SEED) if name in attributes}
        files = self.study.user_attrs.get(FILES) or {}
        return TrialRun(
            study=self.study.study_name,
            identity=f"{self.study.study_name} {files.get('id', '')}".strip(),
            number=trial.number,
            parameters={"architecture": attributes.get(ARCHITECTURE, ""), **settings, **given, **trial.params},
            metrics={name: float(value) for name, value in numbers.items()},
        )
