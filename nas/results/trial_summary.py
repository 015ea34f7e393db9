"""Summaries of a trial and of a study, which a leaderboard reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nas.search.stored import TrialState
from nas.search.study import CURVE, MALFORMED, MEASURED, REASON
from nas.space.attributes import ARCHITECTURE, BROKEN, FINISHED, GIVEN, ORIGIN, SEED, given_key

_KEPT = (ARCHITECTURE, ORIGIN, SEED, BROKEN, "params", "macs", "receptive_field", REASON, MEASURED, FINISHED, CURVE)
_OF_EPOCH = ("val_accuracy", "seconds")
"""Fields kept of each epoch of a curve."""
_OF_LAST = "val_balanced_accuracy"
"""Fields kept only of the last epoch; None in a curve of an earlier release."""
_OTHER = "other"
"""Key of a stored value in place of a curve that is none, such as that of another program's study."""


@dataclass(kw_only=True, slots=True)
class TrialSummary:
    """The part of a trial that a leaderboard needs."""

    number: int
    study: int
    state: TrialState = TrialState.RUNNING
    user_attrs: dict[str, Any] = field(default_factory=dict)
    intermediate_values: dict[int, float] = field(default_factory=dict)
    checked: str = ""
    """For which kind of study its values were checked and found right (``nas.results.board_reading``)."""

    @property
    def network(self) -> str | None:
        """Its network's text; None if none was proposed yet."""
        return self.user_attrs.get(ARCHITECTURE)

    def note(self, attrs: Mapping[str, Any]) -> None:
        """Store the attributes that a leaderboard shows; of a curve, accuracies and times."""
        self.checked = ""
        for name in _KEPT:
            if name in attrs:
                self.user_attrs[name] = attrs[name]
        if key := given_key(attrs):
            self.user_attrs[GIVEN] = {"key": key}
        if CURVE in attrs:
            self.user_attrs[CURVE] = _shortened(attrs[CURVE])

    def as_list(self) -> list[Any]:
        """A compact list, ready for JSON: the curve's values, and the epochs and their accuracies, are lists too."""
        attrs = dict(self.user_attrs)
        if CURVE in attrs:
            attrs[CURVE] = _columns(attrs[CURVE])
        steps = self.intermediate_values
        return [self.number, self.study, self.state.value, attrs, list(steps), list(steps.values()), self.checked]

    @classmethod
    def from_list(cls, values: list[Any]) -> TrialSummary:
        """The inverse of ``as_list``."""
        number, study, state, attrs, epochs, accuracies, checked = values
        if isinstance(attrs.get(CURVE), dict):
            attrs[CURVE] = attrs[CURVE][_OTHER]
        elif CURVE in attrs:
            accuracies_of, seconds_of, last = attrs[CURVE]
            attrs[CURVE] = [  # the keys of _OF_EPOCH, written out since thousands of trials are read at once
                {"val_accuracy": accuracy, "seconds": seconds}
                for accuracy, seconds in zip(accuracies_of, seconds_of, strict=True)
            ]
            for epoch, value in zip(attrs[CURVE][-1:], last, strict=True):
                epoch[_OF_LAST] = value
        steps = dict(zip(epochs, accuracies, strict=True))
        return cls(
            number=number,
            study=study,
            state=TrialState(state),
            user_attrs=attrs,
            intermediate_values=steps,
            checked=checked,
        )


def _shortened(curve: Any) -> Any:
    """The part of a curve that is kept; anything else as it is, so that a reader can say what it is."""
    if not isinstance(curve, list):
        return curve
    try:
        kept = [{key: epoch[key] for key in _OF_EPOCH} for epoch in curve]
        return [*kept[:-1], *({**epoch, _OF_LAST: curve[-1].get(_OF_LAST)} for epoch in kept[-1:])]
    except MALFORMED:
        return curve


def _columns(curve: Any) -> list[Any] | dict[str, Any]:
    """A curve as a list of each of its fields; a table with anything else."""
    if not isinstance(curve, list):
        return {_OTHER: curve}
    try:
        last = [epoch.get(_OF_LAST) for epoch in curve[-1:]]
        return [*([epoch[key] for epoch in curve] for key in _OF_EPOCH), last]
    except MALFORMED:
        return {_OTHER: curve}


@dataclass(kw_only=True)
class StudySummary:
    """The part of a study that a leaderboard needs, with the names of ``optuna.Study``."""

    study_name: str
    user_attrs: Mapping[str, Any]
    trials: list[TrialSummary]

    def get_trials(self, deepcopy: bool = False) -> list[TrialSummary]:
        """All trials, in the order of their numbers."""
        return self.trials
