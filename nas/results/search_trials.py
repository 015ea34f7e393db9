"""What is known of the trials of a search while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.search.study import accuracy
from nas.space.attributes import BROKEN


class SearchTrials:
    """Counts and the best of a study's trials; of a large study too, since each that ended is looked at once."""

    def __init__(self) -> None:
        """Nothing is looked at yet."""
        self.finished = 0
        self.complete: FrozenTrial | None = None
        """The best complete one."""
        self.best: FrozenTrial | None = None
        """The best in any state but failed, by the last epoch of each."""
        self.history: list[float] = []
        """The best accuracy until then, of any epoch; an entry for every look that found another one."""
        self._open: list[int] = []
        self._read = 0
        self._epochs_ended = self._epochs_open = 0
        self._best_ended: FrozenTrial | None = None

    @property
    def started(self) -> int:
        """How many trials there are, in whatever state."""
        return self._read

    @property
    def epochs(self) -> int:
        """Epochs trained, of all trials."""
        return self._epochs_ended + self._epochs_open

    def look(self, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
        """Those of ``trials``, all of the study, that had not ended at the last look."""
        looked = [trials[number] for number in (*self._open, *range(self._read, len(trials)))]
        ended = [trial for trial in looked if trial.state.is_finished()]
        unfinished = [trial for trial in looked if not trial.state.is_finished()]
        before = self.epochs
        self._open, self._read = [trial.number for trial in unfinished], len(trials)
        self.finished += len(ended)
        self._epochs_ended += sum(map(_epochs, ended))
        self._epochs_open = sum(map(_epochs, unfinished))
        complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
        self.complete = _best([self.complete, *complete])
        self._best_ended = _best([self._best_ended, *ended])
        self.best = _best([self._best_ended, *unfinished])
        if self.epochs > before and self.best is not None:
            self.history.append(max([_worth(self.best), *self.history[-1:]]))
        return looked


def _epochs(trial: FrozenTrial) -> int:
    return max(trial.intermediate_values, default=0)


def _worth(trial: FrozenTrial) -> float:
    return accuracy(trial) or 0.0


def _best(trials: Sequence[FrozenTrial | None]) -> FrozenTrial | None:
    """Of equals the first; a failed one, and one of a network that breaks a rule, is no winner."""
    return max(
        (
            t
            for t in trials
            if t and t.intermediate_values and t.state != TrialState.FAIL and BROKEN not in t.user_attrs
        ),
        key=_worth,
        default=None,
    )
