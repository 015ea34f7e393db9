"""A trial store that also logs what it stores to the launch's trackers."""

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
    """A TrialStore that also logs epochs and final states; those of earlier launches are logged with the next one."""

    def __init__(self, study: optuna.Study, trackers: Trackers) -> None:
        """Store nothing and read nothing yet."""
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
        """Store epochs of ``curve``, then log those that a tracker does not have yet."""
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
        """End a trial whose candidate cannot be trained; a trial without a network is not logged."""
        super().fail(trial, reason)
        if ARCHITECTURE in trial.user_attrs or is_given(trial):
            self.trackers.end(lambda: self._run(trial), trial.number, "failed", reason)

    def _run(self, trial: Trial) -> TrialRun:
        """The description of a trial for a tracker, without its curve."""
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
