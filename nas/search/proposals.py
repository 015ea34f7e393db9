"""From trials to candidates: new proposals, and trials that an earlier launch left RUNNING."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, Trial

from nas.architecture.spec import Architecture
from nas.search.candidate import Candidate, set_leftover_aside
from nas.search.study import CURVE
from nas.search.study_folder import is_beginning
from nas.search.trial_store import TrialStore, is_given, proposed
from nas.search.worker import read_progress
from nas.space.analytic import metrics
from nas.space.sampler import FeasibleSampler, SpaceExhaustedError


@dataclass(kw_only=True)
class Proposals:
    """Makes the candidates of a launch, each from its trial."""

    store: TrialStore
    folder: Path
    """The folder of the study, with a folder for each trial in it."""
    notes: list[str]
    count: int = 0
    """Trials of the study that have a network."""
    leftover: deque[FrozenTrial] = field(default_factory=deque)
    """Trials that an earlier launch left RUNNING between two rungs, perhaps without a network yet."""
    rejected_before: dict[str, int] = field(default_factory=dict)
    exhausted: str = ""
    """Why there are no new proposals any more; empty as long as there are."""

    def next_leftover(self, sampler: FeasibleSampler) -> Candidate | None:
        """The candidate of the first leftover trial; what it lacks is proposed as it would have been."""
        if not self.leftover:
            return None
        left = self.leftover.popleft()
        return self._propose(self.store.reopen(left.number), len(left.intermediate_values), sampler)

    def new(self, sampler: FeasibleSampler) -> Candidate | None:
        """The candidate of a new trial; None where the space is exhausted."""
        return None if self.exhausted else self._propose(self.store.ask(), 0, sampler)

    def candidate(self, trial: Trial, architecture: Architecture, reported: int) -> Candidate:
        """The candidate of a trial with ``reported`` epochs in the study."""
        folder, curve = self.kept(trial, reported)
        return Candidate(
            trial=trial,
            architecture=architecture,
            metrics=metrics(architecture),
            folder=folder,
            reported=reported,
            curve=curve,
        )

    def kept(self, trial: Trial, reported: int) -> tuple[Path, list[dict[str, Any]]]:
        """The folder of a trial with ``reported`` epochs in the study, and of these the ones that it holds."""
        folder = self.trial_folder(trial)
        if not self._is_own(trial) and (note := set_leftover_aside(folder)):
            self.notes.append(note)
        curve = read_progress(folder)[:reported]
        if len(curve) < reported:
            self.notes.append(
                f"trial {trial.number} is trained anew: its {reported} finished epochs are not in {folder}"
            )
        return folder, curve

    def trial_folder(self, trial: Trial | FrozenTrial) -> Path:
        """Where the files of a trial are."""
        return self.folder / f"trial-{trial.number:05d}"

    def _is_own(self, trial: Trial | FrozenTrial) -> bool:
        """Whether what a trial's folder holds is the training that the study knows, and not that of a copy of it."""
        return is_beginning(read_progress(self.trial_folder(trial)), trial.user_attrs.get(CURVE, ()))

    def rejected(self, sampler: FeasibleSampler) -> dict[str, int]:
        """Proposals rejected in the whole study, by rule."""
        before = self.rejected_before
        return {rule: before.get(rule, 0) + sampler.rejected[rule] for rule in {**before, **sampler.rejected}}

    def survey(
        self, trials: Sequence[FrozenTrial], known: Collection[int], rungs: Sequence[int]
    ) -> Iterator[Candidate]:
        """Sort the trials that are RUNNING in the study and are not ``known``, after counting the networks of all.

        Yields the candidates of those that wait at one of the ``rungs`` before the last and whose files are here; the
        others are leftover.
        """
        self.count = proposed(trials)
        self.leftover.clear()
        for trial in trials:
            if trial.state.is_finished() or trial.number in known or is_given(trial):
                continue
            trained = len(trial.intermediate_values)
            kept = len(read_progress(self.trial_folder(trial))) if self._is_own(trial) else 0
            architecture = self.store.architecture(trial)
            if architecture is not None and trained in rungs[:-1] and kept >= trained:
                yield self.candidate(self.store.reopen(trial.number), architecture, trained)
            else:
                self.leftover.append(trial)

    def _propose(self, trial: Trial, reported: int, sampler: FeasibleSampler) -> Candidate | None:
        """The candidate of a trial; None, and the trial ends as failed, where nothing is left to propose."""
        architecture = self.store.architecture(trial)
        if architecture is None:
            try:
                params = self.store.suggest(trial, sampler.feasible.space.distributions)
            except SpaceExhaustedError as error:
                self.store.fail(trial, str(error))
                self.exhausted = f"the space is exhausted: {error}"
                return None
            judged = sampler.feasible.judge(params)
            architecture = judged.architecture
            self.store.set_metrics(trial, judged.metrics)
            self.store.set_rejected(self.rejected(sampler))
            if note := set_leftover_aside(self.trial_folder(trial)):
                self.notes.append(note)
            # Last: a trial that is killed before this is proposed again, one that has its network is only trained.
            self.store.set_architecture(trial, architecture)
            self.count += 1
        return self.candidate(trial, architecture, reported)
