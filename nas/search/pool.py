"""The unfinished candidates of a launch with their states; stores their epochs and final states in the study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from nas.search.candidate import Candidate, State
from nas.search.events import Event, What
from nas.search.halving import Halving
from nas.search.objectives import Objectives, measured
from nas.search.study import REASON, accuracy
from nas.search.trial_store import TrialStore, is_given, whole_epochs
from nas.words import counted

BELOW = "below the better half at epoch {}"
"""The reason stored for a candidate that is pruned at a rung."""
MOST_REFUSALS = 3
"""How many failures in a row to write candidates' files end the launch."""
_ENDS = {TrialState.COMPLETE: What.COMPLETE, TrialState.PRUNED: What.PRUNED, TrialState.FAIL: What.FAILED}


@dataclass(kw_only=True)
class Pool:
    """The candidates by trial number; within a state, in the order in which they entered it."""

    store: TrialStore
    halving: Halving
    objectives: Objectives
    happened: Callable[[Event], None] = lambda event: None
    """Called with everything that happens to a candidate, after it is stored."""
    members: dict[int, Candidate] = field(default_factory=dict)
    _by_state: dict[State, dict[int, Candidate]] = field(init=False, default_factory=lambda: {s: {} for s in State})
    """The same candidates by state, so that finding the few that train does not visit thousands of paused ones."""
    refusals: int = 0
    """Failures in a row to write a candidate's files."""

    def of(self, state: State) -> list[Candidate]:
        """The candidates in a state, in the order in which they entered it."""
        return list(self._by_state[state].values())

    def move(self, candidate: Candidate, state: State) -> None:
        """Move a candidate, or add a new one, to the end of a state's queue."""
        self._remove(candidate)
        candidate.state = state
        self.members[candidate.trial.number] = self._by_state[state][candidate.trial.number] = candidate

    def add_epoch(self, candidate: Candidate, epoch: dict[str, Any]) -> None:
        """Store an epoch of a candidate, and note its score if it reached a rung."""
        curve = [*candidate.curve, epoch]
        # A curve trained from scratch replaces the stored one only once it is as long, so that no reader sees a part.
        if len(curve) >= candidate.reported:
            is_anew = len(curve) == candidate.reported
            self.store.add_epoch(candidate.trial, curve, is_anew=is_anew, score=self.objectives.score)
        candidate.curve = curve
        self.halving.add(candidate.trial.number, epoch["epoch"], self._values(candidate))
        self.tell(candidate, What.TRAINED)

    def pause(self, candidate: Candidate) -> None:
        """Pause a candidate at its rung; prune candidates there that have too many better ones waiting."""
        candidate.future = None
        self.move(candidate, State.PAUSED)
        self.tell(candidate, What.PAUSED)
        for number in self.halving.surplus(self._levels()):
            self.prune(self.members[number], BELOW)

    def promoted(self, *, is_last: bool) -> Candidate | None:
        """The paused candidate to promote now, if any; ``is_last`` means that no new candidates will come."""
        number = self.halving.promoted(self._levels(), is_last=is_last)
        return None if number is None else self._with_standing(number, is_last=is_last)

    def leader(self, level: int, count: int) -> Candidate | None:
        """The best candidate waiting at a rung, if it is among the ``count`` best that reached it."""
        number = self.halving.leader(self._levels(), level, count)
        return None if number is None else self._with_standing(number, count=count)

    def _with_standing(self, number: int, *, count: int | None = None, is_last: bool = False) -> Candidate:
        """A promoted candidate, after storing the reason in its trial."""
        candidate = self.members[number]
        standing = self.halving.standing(number, len(candidate.curve), count=count, is_last=is_last)
        self.store.add_why(candidate.trial, standing)
        return candidate

    def set_aside(self, candidate: Candidate, error: OSError) -> None:
        """Let a candidate wait whose files cannot be written; that is not the network's fault.

        Raises the error after MOST_REFUSALS failures in a row, of any candidates.
        """
        self.store.set_reason(candidate.trial, f"waits: {error.strerror or error}")
        self.refusals += 1
        if self.refusals >= MOST_REFUSALS:
            raise error
        candidate.future = None
        self.move(candidate, State.ASIDE)

    def taken_back(self) -> Candidate | None:
        """The first candidate that was set aside, if any, for another attempt."""
        if not (aside := self.of(State.ASIDE)):
            return None
        self.store.set_reason(aside[0].trial, "")
        return aside[0]

    def complete(self, candidate: Candidate) -> None:
        """End a candidate that is trained to the end."""
        self.store.complete(candidate.trial, self._values(candidate))
        self.tell(candidate, What.COMPLETE)
        self._remove(candidate)

    def finish(self, number: int, *, epochs: int, threads: int | None) -> None:
        """End a trial whose network was trained to the end by a confirmation, with the score of the trial's last epoch.

        By number, since its files, and so its candidate, may be on another machine. An ended trial is left as it is.
        """
        trial = self.store.trials()[number]
        if not trial.state.is_finished():
            score = accuracy(trial) or 0.0
            opened = self.store.reopen(number)
            self.store.set_finished(opened, epochs=epochs, threads=threads)
            self.store.complete(opened, self.objectives.values(score, measured(trial.user_attrs)))
            own, reason = max(trial.intermediate_values, default=0), f"confirmed by {counted(epochs, 'epoch')}"
            self.happened(Event(trial=number, what=What.COMPLETE, epochs=own, score=score, reason=reason))
        if (candidate := self.members.get(number)) is not None:
            self._remove(candidate)

    def fail(self, candidate: Candidate, reason: str) -> None:
        """End a candidate that cannot be trained."""
        self.store.fail(candidate.trial, reason)
        self.tell(candidate, What.FAILED, reason)
        self._remove(candidate)

    def prune(self, candidate: Candidate, reason: str) -> None:
        """End a candidate before its budget is trained; ``{}`` in ``reason`` is replaced by its last epoch."""
        why = reason.format(len(candidate.curve))
        if reason == BELOW:
            self.store.add_why(candidate.trial, self.halving.standing(candidate.trial.number, len(candidate.curve)))
        self.store.prune(candidate.trial, why)
        self.tell(candidate, What.PRUNED, why)
        self._remove(candidate)

    def prune_all(self, reason: str) -> None:
        """Prune every candidate in any state."""
        for candidate in list(self.members.values()):
            self.prune(candidate, reason)

    def take_up(self, trials: Sequence[FrozenTrial]) -> None:
        """Add the scores of earlier launches to the rungs, except given networks', which train past every rung."""
        for trial in trials:
            if is_given(trial):
                continue
            for epoch, score in trial.intermediate_values.items():
                self.halving.add(trial.number, epoch, self.objectives.values(score, measured(trial.user_attrs)))

    def reconcile(self, trials: Sequence[FrozenTrial]) -> None:
        """Take from the study which trials have ended and which epochs are stored, whatever was last sent to it."""
        for number, candidate in list(self.members.items()):
            trial = trials[number]
            if trial.state.is_finished():
                self._tell_end(trial)
                self._remove(candidate)
                continue
            candidate.trial = self.store.reopen(number)
            candidate.reported = len(trial.intermediate_values)
            candidate.curve = candidate.curve[: whole_epochs(trial)]

    def tell(self, candidate: Candidate, what: What, reason: str = "") -> None:
        """Report what happened to a candidate."""
        score = self.objectives.score(candidate.curve[-1]) if candidate.curve else None
        number, epochs = candidate.trial.number, len(candidate.curve)
        self.happened(Event(trial=number, what=what, epochs=epochs, score=score, reason=reason))

    def _tell_end(self, trial: FrozenTrial) -> None:
        """Report the end of a trial that was stored although its storage then became unreachable."""
        epochs, reason = max(trial.intermediate_values, default=0), trial.user_attrs.get(REASON, "")
        what, score = _ENDS[trial.state], trial.intermediate_values.get(epochs)
        self.happened(Event(trial=trial.number, what=what, epochs=epochs, score=score, reason=reason))

    def _values(self, candidate: Candidate) -> tuple[float, ...]:
        """The objective values of a candidate by its last epoch."""
        metrics = {**candidate.metrics.as_dict(), **candidate.measured}
        return self.objectives.values(self.objectives.score(candidate.curve[-1]), metrics)

    def _levels(self) -> dict[int, int]:
        """Trial number -> epochs, for the candidates that wait at a rung."""
        return {number: len(candidate.curve) for number, candidate in self._by_state[State.PAUSED].items()}

    def _remove(self, candidate: Candidate) -> None:
        self.members.pop(candidate.trial.number, None)
        self._by_state[candidate.state].pop(candidate.trial.number, None)
