"""Makes candidates from trials: new proposals, and trials that an earlier launch left RUNNING."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, Trial

from nas.architecture.spec import Architecture, ArchitectureError, parse
from nas.search.candidate import Candidate, set_leftover_aside
from nas.search.queue import Waiting, queued
from nas.search.study import CURVE, FIXED, MEASURED
from nas.search.study_folder import is_beginning
from nas.search.trial_files import take_up
from nas.search.trial_store import TrialStore, is_given, proposed
from nas.search.worker import read_progress
from nas.space.analytic import metrics
from nas.space.attributes import PROPOSED
from nas.space.encoding import choices_of
from nas.space.feasible import Judged
from nas.space.sampler import FeasibleSampler, NothingKeptError, SpaceExhaustedError


@dataclass(kw_only=True)
class Proposals:
    """Makes the candidates of a launch, each from its trial."""

    store: TrialStore
    folder: Path
    """The folder of the study, with one subfolder per trial."""
    notes: list[str]
    measure: Callable[[Architecture], Mapping[str, float]] = lambda architecture: {}
    """Measures a network: metric name -> value."""
    count: int = 0
    """Number of the study's trials that have a network."""
    leftover: deque[FrozenTrial] = field(default_factory=deque)
    """Trials that an earlier launch left RUNNING between two rungs, perhaps without a network yet."""
    rejected_before: dict[str, int] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    """Networks of the queue that a trial already has, or that cannot be tried."""
    exhausted: str = ""
    """Why there are no more proposals; empty while there are."""

    def next_leftover(self, sampler: FeasibleSampler) -> Candidate | None:
        """The candidate of the first leftover trial; a missing network is proposed as it would have been."""
        if not self.leftover:
            return None
        left = self.leftover.popleft()
        trial, claimed = self.store.resume(left), left.system_attrs.get(PROPOSED)
        if claimed and self.store.architecture(trial) is None:
            for one in self._queue():  # the trial was created for this network
                if one.architecture == claimed and (judged := self._read(one, sampler)) is not None:
                    return self._begin(trial, judged, one, sampler)
        return self._propose(trial, len(left.intermediate_values), sampler)

    def new(self, sampler: FeasibleSampler) -> Candidate | None:
        """The candidate of a new trial; None where the space is exhausted."""
        return None if self.exhausted else self._propose(self.store.ask(), 0, sampler)

    def waiting(self, sampler: FeasibleSampler) -> Candidate | None:
        """The candidate, with a new trial, of the first network that waits in the study's queue."""
        for one in self._queue():
            if one.architecture in self._done:
                continue
            if one.architecture in self.store.networks():
                self._done.add(one.architecture)
            elif (judged := self._read(one, sampler)) is not None:
                return self._begin(self.store.ask(), judged, one, sampler)
        return None

    def candidate(self, trial: Trial, architecture: Architecture, reported: int) -> Candidate:
        """The candidate of a trial that has ``reported`` epochs in the study."""
        folder, curve = self.kept(trial, reported)
        return Candidate(
            trial=trial,
            architecture=architecture,
            metrics=metrics(architecture),
            folder=folder,
            reported=reported,
            curve=curve,
            measured=trial.user_attrs.get(MEASURED, {}),
        )

    def kept(self, trial: Trial, reported: int) -> tuple[Path, list[dict[str, Any]]]:
        """The folder of a trial with ``reported`` epochs in the study, and those of them that are in its files."""
        folder = self.trial_folder(trial)
        if not self._is_own(trial) and (note := set_leftover_aside(folder)):
            self.notes.append(note)
        self._take_up_files(trial)
        curve = read_progress(folder)[:reported]
        if len(curve) < reported:
            self.notes.append(
                f"trial {trial.number} is trained from scratch: its {reported} finished epochs are not in {folder}"
            )
        return folder, curve

    def _take_up_files(self, trial: Trial | FrozenTrial) -> None:
        if note := take_up(self.trial_folder(trial), trial.user_attrs.get(CURVE, ())):
            self.notes.append(f"trial {trial.number}: {note}")

    def trial_folder(self, trial: Trial | FrozenTrial) -> Path:
        """Where the files of a trial are."""
        return self.folder / f"trial-{trial.number:05d}"

    def _is_own(self, trial: Trial | FrozenTrial) -> bool:
        """Whether a trial's folder contains the training that the study stores, not that of a copy of the study."""
        return is_beginning(read_progress(self.trial_folder(trial)), trial.user_attrs.get(CURVE, ()))

    def rejected(self, sampler: FeasibleSampler) -> dict[str, int]:
        """Proposals rejected in the whole study, by rule."""
        before = self.rejected_before
        return {rule: before.get(rule, 0) + sampler.rejected[rule] for rule in {**before, **sampler.rejected}}

    def survey(
        self, trials: Sequence[FrozenTrial], known: Collection[int], rungs: Sequence[int]
    ) -> Iterator[Candidate]:
        """Count the networks of all trials, and sort the RUNNING trials that are not ``known``.

        Yields the candidates that wait at one of the ``rungs`` before the last and whose files are on this machine; the
        others are leftover.
        """
        self.count = proposed(trials)
        self.leftover.clear()
        for trial in trials:
            if trial.state.is_finished() or trial.number in known or is_given(trial):
                continue
            trained = len(trial.intermediate_values)
            self._take_up_files(trial)
            kept = len(read_progress(self.trial_folder(trial))) if self._is_own(trial) else 0
            architecture = self.store.architecture(trial)
            if architecture is not None and trained in rungs[:-1] and kept >= trained:
                yield self.candidate(self.store.reopen(trial.number), architecture, trained)
            else:
                self.leftover.append(trial)

    def _propose(self, trial: Trial, reported: int, sampler: FeasibleSampler) -> Candidate | None:
        """The candidate of a trial; fails it and returns None where none is left, or its fixed values may not be."""
        architecture = self.store.architecture(trial)
        if architecture is not None:
            if not reported:  # a queued or starting network has no tuned options yet
                self.store.suggest(trial, sampler.beside)
            return self.candidate(trial, architecture, reported)
        if strange := self._enqueued_outside(trial, sampler):
            self.store.fail(trial, strange)
            return None
        try:
            params = self.store.suggest(trial, sampler.feasible.space.distributions)
        except SpaceExhaustedError as error:
            self.store.fail(trial, str(error))
            self.store.set_rejected(self.rejected(sampler))
            is_exhausted = not isinstance(error, NothingKeptError)
            self.exhausted = "the space is exhausted: " * is_exhausted + str(error)
            return None
        judged = sampler.feasible.judge(params)
        if judged.broken:  # only with values that Optuna's enqueue_trial fixed
            self.store.fail(trial, f"its enqueued values break {judged.broken[0]}")
            return None
        return self._stored(trial, judged, sampler)

    def _enqueued_outside(self, trial: Trial, sampler: FeasibleSampler) -> str:
        """Which value that Optuna's enqueue_trial fixed is not in the space; empty where all are."""
        fixed, space = self.store.trials()[trial.number].system_attrs.get(FIXED, {}), sampler.feasible.space
        for name, value in fixed.items():
            if name in space.parameters and value not in space.parameters[name]:
                return f"its enqueued value of {name} is not in the space: {value!r}"
        return ""

    def _queue(self) -> list[Waiting]:
        return queued(self.store.study.user_attrs)

    def _read(self, one: Waiting, sampler: FeasibleSampler) -> Judged | None:
        """A network of the queue, checked; None, with a note, where it cannot be tried in this study."""
        space = sampler.feasible.space
        try:
            judged = sampler.feasible.judged(parse(one.architecture))
        except ArchitectureError as error:
            reason = str(error)
        else:
            network = judged.architecture
            broken = judged.broken[0] if judged.broken else sampler.broken_measured(network)
            if (network.input, network.classes) == (space.input, space.classes) and not broken:
                return judged
            reason = f"it breaks {broken}" if broken else "it is for other images or classes"
        self._done.add(one.architecture)
        self.notes.append(f"{one.architecture} is not tried: {reason}")
        return None

    def _begin(self, trial: Trial, judged: Judged, one: Waiting, sampler: FeasibleSampler) -> Candidate:
        """The candidate of a queued network; outside the space, its trial has no parameters."""
        self._done.add(one.architecture)
        space = sampler.feasible.space
        if (choices := choices_of(space, judged.architecture)) is not None:
            with sampler.given(trial.number, choices):
                self.store.suggest(trial, space.distributions)
        if one.origin is not None:
            self.store.set_origin(trial, one.origin)
        return self._stored(trial, judged, sampler)

    def _stored(self, trial: Trial, judged: Judged, sampler: FeasibleSampler) -> Candidate:
        """The candidate of a trial, after storing its network."""
        self.store.suggest(trial, sampler.beside)
        self.store.set_metrics(trial, judged.metrics, self.measure(judged.architecture))
        self.store.set_rejected(self.rejected(sampler))
        if note := set_leftover_aside(self.trial_folder(trial)):
            self.notes.append(note)
        # Stored last: a trial without a network is proposed again after a crash, one with a network is only trained.
        self.store.set_architecture(trial, judged.architecture)
        self.count += 1
        return self.candidate(trial, judged.architecture, 0)
