"""Whether a search has met its target, by its best complete trial or by a network confirmed over the target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from nas.search.budget import Budget
from nas.search.confirmation import confirmations
from nas.search.expected_accuracy import expectation
from nas.search.objectives import Objectives
from nas.search.study import VALIDATION_IMAGES, WON, Described, accuracy
from nas.search.trial_store import TrialStore, best_accuracy, counts, is_finished


@dataclass(kw_only=True)
class SearchTarget:
    """The target of a budget, if any, and whether the study's trials meet it."""

    budget: Budget
    store: TrialStore
    objectives: Objectives
    notes: list[str]
    """Receives a line where the best trial is over the target, but not expected to be so on new images."""
    best: float | None = None
    """The highest accuracy of a complete trial."""
    _is_confirmed_over: bool = False
    _is_another_complete: bool = True
    """Whether a trial was completed since the expectation was last computed."""

    def survey(self, trials: Sequence[FrozenTrial]) -> None:
        """Read what the study holds."""
        self.best = best_accuracy(trials)
        target = self.budget.target
        self._is_confirmed_over = target is not None and is_any_over(self.store.study, trials, target)

    def completed(self, accuracy: float) -> None:
        """Handle a candidate that the search trained to the end."""
        self._is_another_complete = True
        self.best = max(accuracy, self.best or 0.0)

    @property
    def is_reached(self) -> bool:
        """Whether a trial exceeds the target, by its validation accuracy or a confirmation; False without a target."""
        return self._is_confirmed_over or self.budget.is_target_met(self.best)

    def met(self) -> str | None:
        """Why a search with ``--stop-at-target`` ends; None where it continues."""
        if not (self.budget.stop_at_target and self.is_reached):
            return None
        return "the target is met" if self._is_confirmed_over or self._is_expected_over() else None

    def _is_expected_over(self) -> bool:
        """Whether the best complete trial is expected over the target on new images too, and was not merely lucky.

        Computed again after each completed trial, with the number of images behind each accuracy; where the study does
        not store that number, an accuracy over the target is enough. A note says why the search continues.
        """
        assert self.budget.target is not None
        if not self._is_another_complete:
            return False
        self._is_another_complete = False
        images = self.store.study.user_attrs.get(VALIDATION_IMAGES, 0)
        if not images:
            return True
        measured = {t.number: accuracy(t) or 0.0 for t in self.store.trials() if counts(t) and not is_finished(t)}
        best = max(measured, key=lambda number: (measured[number], -number))
        others = [value for number, value in measured.items() if number != best]
        found = expectation(
            best, measured[best], others, images=images, target=self.budget.target, measure=self.objectives.measure
        )
        if found.centre > self.budget.target:
            return True
        self.notes.append(f"{found.sentence(self.budget.target)}: the search continues")
        return False


def is_any_over(study: Described, trials: Iterable[FrozenTrial], target: float) -> bool:
    """Whether a network that the search itself confirmed exceeds the target."""
    won = study.user_attrs.get(WON, ())
    chosen = [trial.number for trial in trials if counts(trial) and (is_finished(trial) or trial.number in won)]
    return any(one.mean > target for number in chosen for one in confirmations(study, number)[:1])
