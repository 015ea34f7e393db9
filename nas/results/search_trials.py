"""Counts of a running search's trials, and its best ones."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.search.study import accuracy
from nas.space.attributes import BROKEN


class SearchTrials:
    """Counts and the best of a study's trials; fast for large studies too, since an ended trial is read only once."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self.finished = 0
        self.best: FrozenTrial | None = None
        """The best complete trial."""
        self.leader: FrozenTrial | None = None
        """The trial in any state except failed that leads by its last epoch, among those that keep the rules."""
        self.breaking: FrozenTrial | None = None
        """The same among those that break a rule, such as a network that was given."""
        self.history: list[float] = []
        """The best accuracy of any epoch so far, one entry per look at which new epochs were found."""
        self._open: list[int] = []
        self._read = 0
        self._epochs_ended = self._epochs_open = 0
        self._best_ended: FrozenTrial | None = None
        self._breaking_ended: FrozenTrial | None = None

    @property
    def started(self) -> int:
        """Number of trials in any state."""
        return self._read

    @property
    def epochs(self) -> int:
        """Epochs trained by all trials."""
        return self._epochs_ended + self._epochs_open

    def look(self, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
        """Update the counts from all ``trials`` of the study; returns those that had not ended at the last look."""
        looked = [trials[number] for number in (*self._open, *range(self._read, len(trials)))]
        ended = [trial for trial in looked if trial.state.is_finished()]
        unfinished = [trial for trial in looked if not trial.state.is_finished()]
        before = self.epochs
        self._open, self._read = [trial.number for trial in unfinished], len(trials)
        self.finished += len(ended)
        self._epochs_ended += sum(map(_epochs, ended))
        self._epochs_open = sum(map(_epochs, unfinished))
        complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
        self.best = _best([self.best, *complete])
        self._best_ended = _best([self._best_ended, *ended])
        self.leader = _best([self._best_ended, *unfinished])
        self._breaking_ended = _best([self._breaking_ended, *ended], breaks=True)
        self.breaking = _best([self._breaking_ended, *unfinished], breaks=True)
        if self.epochs > before and self.leader is not None:
            self.history.append(max([_worth(self.leader), *self.history[-1:]]))
        return looked


def _epochs(trial: FrozenTrial) -> int:
    return max(trial.intermediate_values, default=0)


def _worth(trial: FrozenTrial) -> float:
    return accuracy(trial) or 0.0


def _best(trials: Sequence[FrozenTrial | None], *, breaks: bool = False) -> FrozenTrial | None:
    """The best of the trials that keep the rules, or of those that break one; the first of equal ones.

    Failed trials do not count.
    """
    return max(
        (
            t
            for t in trials
            if t and t.intermediate_values and t.state != TrialState.FAIL and (BROKEN in t.user_attrs) == breaks
        ),
        key=_worth,
        default=None,
    )
