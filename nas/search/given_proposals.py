"""The candidates of a training of given networks, made from trials instead of a sampler's proposals."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from constraints.metrics import Metrics
from constraints.output.plain import one_line
from nas.architecture.spec import Architecture
from nas.search.candidate import Candidate, set_leftover_aside
from nas.search.given import COPIES, Given
from nas.search.proposals import Proposals
from nas.search.retraining import Trained
from nas.search.stored_values import check_trial
from nas.search.study import MALFORMED, foreign
from nas.search.trial_store import is_given
from nas.space.attributes import ARCHITECTURE, BROKEN, GIVEN, ORIGIN, SEED
from nas.space.sampler import FeasibleSampler


@dataclass(frozen=True, kw_only=True)
class NetworkToTrain:
    """A network to train: an architecture, or a network of user code (whose architecture may be known, too)."""

    origin: str
    """What the user called it: the name or text of an architecture, or where the code is."""
    architecture: Architecture | None
    given: Given | None
    metrics: Metrics
    broken: tuple[str, ...]
    """The constraints that it breaks."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Its measured metrics by name, and those that are objectives."""
    shown: Mapping[str, Any] = field(default_factory=dict)
    """For a network that is not an architecture: its report and its sizes, to be shown."""

    @property
    def key(self) -> str:
        """A text that identifies the network."""
        return self.given.key if self.given else str(self.architecture)

    def attributes(self, seed: int) -> dict[str, Any]:
        """The user attributes of its trial."""
        known = {ORIGIN: self.origin, SEED: seed, BROKEN: list(self.broken)}
        if self.architecture is not None:
            known[ARCHITECTURE] = str(self.architecture)
        if self.given is not None:
            known[GIVEN] = {"key": self.key, **self.given.as_dict(), "shown": dict(self.shown)}
        return known


def key_of(attributes: Mapping[str, Any]) -> str:
    """The ``key`` of a trial's network, given or proposed; empty where the trial has no network yet."""
    given = attributes.get(GIVEN)
    return str(given["key"]) if given else str(attributes.get(ARCHITECTURE, ""))


def networks(study: Study, trials: Sequence[int], folder: Path) -> list[Trained]:
    """The networks of trials, to be trained from scratch; ``folder`` is that of the study's files.

    Raises UnusableInputError where a trial's attributes are not those that this tool writes.
    """
    by_number = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    return [_trained(study, by_number[number], folder) for number in trials]


def _trained(study: Study, trial: FrozenTrial, folder: Path) -> Trained:
    check_trial(study, trial)
    number, attributes = trial.number, trial.user_attrs
    try:
        table = attributes.get(GIVEN)
        given = None if table is None else Given.from_dict(table, folder / f"trial-{number:05d}")
        network = str(attributes[ORIGIN] if ARCHITECTURE not in attributes else attributes[ARCHITECTURE])
        return Trained(trial=number, network=network, key=key_of(attributes), given=given)
    except MALFORMED as error:
        raise foreign(study, f"trial {number}: {GIVEN} is no given network's: {one_line(str(error))}") from None


@dataclass(kw_only=True)
class GivenProposals(Proposals):
    """Makes a candidate of ``network`` for each of the ``seeds``: from its unfinished trial, or a new one."""

    network: NetworkToTrain
    seeds: deque[int]
    """The seeds without a trial."""

    def survey(
        self, trials: Sequence[FrozenTrial], known: Collection[int], rungs: Sequence[int]
    ) -> Iterator[Candidate]:
        """Find the unfinished trials of the network; the search's trials are left as they are."""
        self.count = len(trials)
        mine = (t for t in trials if not t.state.is_finished() and t.number not in known)
        self.leftover = deque(t for t in mine if is_given(t) and key_of(t.user_attrs) == self.network.key)
        return iter(())

    def next_leftover(self, sampler: FeasibleSampler) -> Candidate | None:
        """The candidate of the first unfinished trial."""
        if not self.leftover:
            return None
        left = self.leftover.popleft()
        return self._given(self.store.reopen(left.number), len(left.intermediate_values), left.user_attrs[SEED])

    def waiting(self, sampler: FeasibleSampler) -> Candidate | None:
        """None: the study's queue is left to its next search."""
        return None

    def new(self, sampler: FeasibleSampler) -> Candidate | None:
        """The candidate of a new trial; None where every seed has one."""
        if not self.seeds:
            self.exhausted = "every training is done"
            return None
        trial, seed = self.store.ask(), self.seeds.popleft()
        if note := set_leftover_aside(self.trial_folder(trial)):
            self.notes.append(note)
        if self.network.given is not None:
            self.network.given.keep_copies(self.trial_folder(trial))
        self.store.set_metrics(trial, self.network.metrics, self.network.measured)
        self.store.set_given(trial, self.network.attributes(seed))
        self.count += 1
        return self._given(trial, 0, seed)

    def rejected(self, sampler: FeasibleSampler) -> dict[str, int]:
        """Proposals rejected in the whole study, by rule: this training makes none."""
        return dict(self.rejected_before)

    def _given(self, trial: Trial, reported: int, seed: int) -> Candidate:
        folder, curve = self.kept(trial, reported)
        given = self.network.given
        return Candidate(
            trial=trial,
            architecture=self.network.architecture,
            metrics=self.network.metrics,
            measured=self.network.measured,
            folder=folder,
            reported=reported,
            curve=curve,
            seed=seed,
            given=None if given is None else replace(given, copies=folder / COPIES),
        )
