"""The trials of a study: the only module of a search that reads or writes them in the storage.

Every call raises what the storage raises; ``nas.search.outage.is_outage`` says which errors may pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from constraints.metrics import Metrics
from nas.architecture.spec import Architecture, parse
from nas.optuna_private import GroupedJournal, reopened, storage_of
from nas.search.study import CURVE, FINALIST, MEASURED, REASON, REJECTED, WHY, WON
from nas.space.attributes import ARCHITECTURE, BROKEN, FINISHED, ORIGIN, SEED


def by_accuracy(epoch: Mapping[str, Any]) -> float:
    """The score of an epoch: its validation accuracy."""
    return float(epoch["val_accuracy"])


class TrialStore:
    """Reads and writes the trials of one study, in any storage."""

    def __init__(self, study: optuna.Study) -> None:
        """Read nothing yet."""
        self.study = study
        self._storage = storage_of(study)
        self._ids: dict[int, int] = {}

    def trials(self) -> list[FrozenTrial]:
        """All trials of the study, by number; do not modify them."""
        return self.study.get_trials(deepcopy=False)

    def together(self) -> AbstractContextManager[None]:
        """A block whose writes take a journal's lock once; in other storages each is written as usual."""
        return self._storage.together() if isinstance(self._storage, GroupedJournal) else nullcontext()

    def ask(self) -> Trial:
        """A new trial, without parameters."""
        return self.study.ask()

    def reopen(self, number: int) -> Trial:
        """A trial that has not ended, for writing."""
        return reopened(self.study, self._id(number))

    def resume(self, trial: FrozenTrial) -> Trial:
        """A trial that has not ended, for writing; one that waits, by Optuna's ``enqueue_trial``, runs from now on."""
        if trial.state == TrialState.WAITING:
            self._storage.set_trial_state_values(self._id(trial.number), TrialState.RUNNING)
        return self.reopen(trial.number)

    def suggest(self, trial: Trial, distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
        """The sampler's values for a trial, stored as its parameters; existing ones are kept."""
        known, several = trial.params, iter(distributions.items())
        for name, distribution in several:
            _suggest(trial, name, distribution)
            if name not in known and not distribution.single():
                break  # the sampler has proposed all of them, which may take a while
        with self.together():
            for name, distribution in several:
                _suggest(trial, name, distribution)
        return {name: trial.params[name] for name in distributions}

    def set_metrics(self, trial: Trial, metrics: Metrics, measured: Mapping[str, float] | None = None) -> None:
        """Store the metrics of a trial's network, one attribute each; the ``measured`` ones in a separate attribute.

        A measured truth value is stored as 1 or 0, since columns, objectives and trackers have numbers.
        """
        with self.together():
            for name, value in metrics.as_dict().items():
                trial.set_user_attr(name, value)
            if measured:
                numbers = {name: int(one) if isinstance(one, bool) else one for name, one in measured.items()}
                trial.set_user_attr(MEASURED, numbers)

    def set_architecture(self, trial: Trial, architecture: Architecture) -> None:
        """Store a trial's network: from now on the trial counts as proposed."""
        trial.set_user_attr(ARCHITECTURE, str(architecture))

    def architecture(self, trial: Trial | FrozenTrial) -> Architecture | None:
        """A trial's network; None where none was proposed yet."""
        text = trial.user_attrs.get(ARCHITECTURE)
        return None if text is None else parse(text)

    def set_given(self, trial: Trial, attributes: Mapping[str, Any]) -> None:
        """Store the attributes of a given network, the seed last, since it marks the trial as given."""
        for name, value in attributes.items():
            if name != SEED:
                trial.set_user_attr(name, value)
        trial.set_user_attr(SEED, attributes[SEED])

    def set_origin(self, trial: Trial, origin: str) -> None:
        """Store where a trial's network came from; the sampler's proposals have no such attribute."""
        trial.set_user_attr(ORIGIN, origin)

    def networks(self) -> set[str]:
        """The texts of the networks of all trials."""
        return {text for trial in self.trials() if (text := trial.user_attrs.get(ARCHITECTURE)) is not None}

    def set_finalist(self, finalist: Mapping[str, int]) -> None:
        """Store ``trial``, ``epochs`` and ``threads`` of the confirmation in progress; empty for none."""
        self.study.set_user_attr(FINALIST, dict(finalist))

    def set_won(self, trials: Sequence[int]) -> None:
        """Store the trials, confirmed over the target, that ended the search."""
        if self.study.user_attrs.get(WON) != list(trials):
            self.study.set_user_attr(WON, list(trials))

    def set_finished(self, trial: Trial, *, epochs: int, threads: int | None) -> None:
        """Store that a confirmation with ``epochs`` and ``threads`` trained the trial's network to the end.

        ``threads`` is None where it is not known.
        """
        trial.set_user_attr(FINISHED, {"epochs": epochs, "threads": threads})

    def add_why(self, trial: Trial, sentence: str) -> None:
        """Append the reason of a decision on the trial's candidate; an empty sentence stores nothing."""
        known = trial.user_attrs.get(WHY, [])
        if sentence and sentence not in known:
            trial.set_user_attr(WHY, [*known, sentence])

    def set_reason(self, trial: Trial, reason: str) -> None:
        """Store why a trial waits or ended; an empty text removes the reason."""
        trial.set_user_attr(REASON, reason)

    def add_epoch(
        self,
        trial: Trial,
        curve: Sequence[Mapping[str, Any]],
        *,
        is_anew: bool = False,
        score: Callable[[Mapping[str, Any]], float] = by_accuracy,
    ) -> None:
        """Store the last epoch of ``curve`` and, where the trial was trained from scratch, the epochs before it.

        ``score`` computes the score of an epoch. The curve is written first, so that no epoch counts as trained without
        it.
        """
        with self.together():
            trial.set_user_attr(CURVE, list(curve))
            for epoch in curve if is_anew else curve[-1:]:  # trial.report does not support several objectives
                self._storage.set_trial_intermediate_value(self._id(trial.number), epoch["epoch"], score(epoch))

    def complete(self, trial: Trial, values: Sequence[float]) -> None:
        """End a trial with its candidate's values, one per objective."""
        self.study.tell(trial, values)

    def prune(self, trial: Trial, reason: str) -> None:
        """End a trial whose candidate is not trained any further."""
        self.set_reason(trial, reason)
        self.study.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: Trial, reason: str) -> None:
        """End a trial whose candidate cannot be trained."""
        self.set_reason(trial, reason)
        self.study.tell(trial, state=TrialState.FAIL)

    def rejected(self) -> dict[str, int]:
        """Proposals rejected in all launches so far, by rule."""
        return dict(self.study.user_attrs.get(REJECTED, {}))

    def set_rejected(self, counts: Mapping[str, int]) -> None:
        """Store how many proposals each rule rejected; nothing is written where that is stored already."""
        if self.rejected() != dict(counts):
            self.study.set_user_attr(REJECTED, dict(counts))

    @cached_property
    def _study_id(self) -> int:
        return self._storage.get_study_id_from_name(self.study.study_name)

    def _id(self, number: int) -> int:
        """The storage's id of a trial; cached, since it never changes."""
        if number not in self._ids:
            self._ids[number] = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        return self._ids[number]


def best_accuracy(trials: Sequence[FrozenTrial]) -> float | None:
    """The highest accuracy (first objective) of the trials that the search trained to the end; None without any."""
    return max((t.values[0] for t in trials if counts(t) and not is_finished(t)), default=None)


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial may meet the study's target: it is complete and its network satisfies the constraints."""
    return trial.state == TrialState.COMPLETE and not trial.user_attrs.get(BROKEN)


def is_finished(trial: FrozenTrial) -> bool:
    """Whether a confirmation trained the trial's network to the end, so that the trial itself has only a few epochs."""
    return FINISHED in trial.user_attrs


def is_given(trial: Trial | FrozenTrial) -> bool:
    """Whether ``train`` made the trial rather than a search; searches ignore it."""
    return SEED in trial.user_attrs


def proposed(trials: Sequence[FrozenTrial]) -> int:
    """How many of the trials have a proposed network."""
    return sum(ARCHITECTURE in t.user_attrs and not is_given(t) for t in trials)


def whole_epochs(trial: FrozenTrial) -> int:
    """How many epochs of a trial are stored completely: their accuracy, and their entry in the curve."""
    return min(len(trial.user_attrs.get(CURVE, [])), len(trial.intermediate_values))


def _suggest(trial: Trial, name: str, distribution: BaseDistribution) -> None:
    if isinstance(distribution, IntDistribution):
        trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    elif isinstance(distribution, FloatDistribution):
        trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    elif isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(name, distribution.choices)
    else:
        raise TypeError(f"{name}: no parameter of a space: {distribution}")
