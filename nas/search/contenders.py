"""The networks of a study that may be confirmed, and the accuracy that each is expected to reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from nas.search.candidate import Candidate
from nas.search.confirm import Trained
from nas.search.curve_forecast import CurveForecast, Seen
from nas.search.study import CURVE, accuracy
from nas.search.trial_store import counts, is_finished, is_given
from nas.space.attributes import ARCHITECTURE

ALL_IMAGES = 1.15
"""An epoch of all images over one of those that candidates train on: a tenth more, and something in reserve."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A network that is trained for some epochs, or to the end."""

    trial: int
    seen: Seen
    network: str
    """Its text."""
    params: Mapping[str, Any]
    """Of its trial, its recipe's options among them."""
    epoch_seconds: float
    """What its last epoch took."""

    @property
    def trained(self) -> Trained:
        """What a confirmation takes."""
        return Trained(trial=self.trial, network=self.network, key=self.network)

    def seconds(self, epochs: int) -> float:
        """What a training of so many epochs on all images may take at most."""
        return epochs * self.epoch_seconds * ALL_IMAGES


def of_candidate(candidate: Candidate, accuracy: float, images: int) -> Contender:
    """That of a candidate with an epoch or more, the last one with this validation ``accuracy``."""
    last = candidate.curve[-1]
    return Contender(
        trial=candidate.trial.number,
        seen=Seen(epochs=len(candidate.curve), accuracy=accuracy, images=images),
        network=str(candidate.architecture),
        params=candidate.trial.params,
        epoch_seconds=float(last["seconds"]),
    )


def of_trials(trials: Iterable[FrozenTrial], images: int) -> dict[int, Contender]:
    """Those of the trials that the search itself trained to the end, by number."""
    return {
        trial.number: Contender(
            trial=trial.number,
            seen=seen(trial, images),
            network=trial.user_attrs[ARCHITECTURE],
            params=trial.params,
            epoch_seconds=float(trial.user_attrs[CURVE][-1]["seconds"]),
        )
        for trial in trials
        if counts(trial) and not is_finished(trial) and not is_given(trial) and trial.intermediate_values
    }


def seen(trial: FrozenTrial, images: int) -> Seen:
    """How far a trial with an epoch or more is trained."""
    return Seen(epochs=max(trial.intermediate_values), accuracy=accuracy(trial) or 0.0, images=images)


def ranked(contenders: Iterable[Contender], forecast: CurveForecast) -> list[Contender]:
    """The one with the least error forecast after a whole training first; of equals the earlier trial."""
    return sorted(contenders, key=lambda c: (forecast.error(c.seen, forecast.epochs), c.trial))
