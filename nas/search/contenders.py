"""The networks of a study that may be confirmed, and the accuracy that each is expected to reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from nas.search.candidate import Candidate
from nas.search.curve_forecast import CurveForecast, CurvePoint
from nas.search.retraining import Trained
from nas.search.study import CURVE, accuracy
from nas.search.trial_store import counts, is_finished, is_given
from nas.space.attributes import ARCHITECTURE

ALL_IMAGES = 1.15
"""Duration of an epoch of all images over one of the training part: a tenth more images, plus a margin."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A network that is trained for some epochs, or to the end."""

    trial: int
    seen: CurvePoint
    network: str
    """Its text."""
    params: Mapping[str, Any]
    """The parameters of its trial, including tuned recipe options."""
    epoch_seconds: float
    """Seconds that its last epoch took."""

    @property
    def trained(self) -> Trained:
        """The same network as input of a confirmation."""
        return Trained(trial=self.trial, network=self.network, key=self.network)

    def seconds(self, epochs: int) -> float:
        """Upper estimate of the seconds that a training of this many epochs on all images takes."""
        return epochs * self.epoch_seconds * ALL_IMAGES


def of_candidate(candidate: Candidate, accuracy: float, images: int) -> Contender:
    """The contender of a candidate with at least one epoch, whose last one has this validation ``accuracy``."""
    last = candidate.curve[-1]
    return Contender(
        trial=candidate.trial.number,
        seen=CurvePoint(epochs=len(candidate.curve), accuracy=accuracy, images=images),
        network=str(candidate.architecture),
        params=candidate.trial.params,
        epoch_seconds=float(last["seconds"]),
    )


def of_trials(trials: Iterable[FrozenTrial], images: int) -> dict[int, Contender]:
    """The contenders of the trials that the search itself trained to the end, by number."""
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


def seen(trial: FrozenTrial, images: int) -> CurvePoint:
    """How far a trial with at least one epoch is trained."""
    return CurvePoint(epochs=max(trial.intermediate_values), accuracy=accuracy(trial) or 0.0, images=images)


def ranked(contenders: Iterable[Contender], forecast: CurveForecast) -> list[Contender]:
    """Sorted by the error forecast after a full training, least first; equal ones by trial number."""
    return sorted(contenders, key=lambda c: (forecast.error(c.seen, forecast.epochs), c.trial))
