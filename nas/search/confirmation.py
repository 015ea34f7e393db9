"""The result of confirming a network, and how it is stored: new seeds are added, none is lost."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from nas.objective_text import ACCURACY, BALANCED
from nas.search.stored_values import check_confirmation
from nas.search.study import CONFIRMED, MALFORMED, Described, foreign

if TYPE_CHECKING:
    import optuna

OTHERS = "others"
"""Key in a stored confirmation: the confirmations of the same network with other numbers of epochs."""
_DIGITS = 12
_NORMAL = 1.96
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom."""


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Test accuracy of one network, trained on the whole training set: one value per seed."""

    trial: int
    architecture: str
    epochs: int
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    seconds: float
    test_images: int = 0
    """Number of test images; for balanced accuracy, the number that would be as certain; 0 if not stored."""
    balanced_accuracies: tuple[float, ...] = ()
    """The balanced test accuracies; empty where an earlier version did not keep them."""
    measure: str = ACCURACY
    """The accuracy that the study maximises: one of nas.objective_text.MEASURES."""

    @property
    def judged(self) -> tuple[float, ...]:
        """The accuracies by ``measure``."""
        return self.balanced_accuracies if self.measure == BALANCED else self.accuracies

    @property
    def mean(self) -> float:
        """Mean over the seeds, by ``measure``."""
        return mean_of(self.judged)

    @property
    def std(self) -> float:
        """Sample standard deviation over the seeds, by ``measure``; 0 for one seed."""
        return statistics.stdev(self.judged) if len(self.judged) > 1 else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy on new images and new seeds.

        It contains each accuracy from which the mean differs by at most the square root of the sum of two squared
        errors: of a share of ``test_images``, by the variance at that accuracy (Wilson, 1927: all right is no
        certainty), and of a mean over seeds (Student's t). With one seed, only the first is known.
        """
        n = len(self.accuracies)
        seeds = _t(n - 1) * self.std / math.sqrt(n) if n > 1 else 0.0
        weight = _NORMAL**2 / self.test_images if self.test_images else 0.0
        middle = self.mean + weight / 2
        half = math.sqrt(max(middle**2 - (1 + weight) * (self.mean**2 - seeds**2), 0.0))
        return max((middle - half) / (1 + weight), 0.0), min((middle + half) / (1 + weight), 1.0)

    def verdict(self, target: float) -> str:
        """``over`` or ``not over`` a target, or that the interval includes the target."""
        low, high = self.interval
        if low < target < high:
            n = len(self.seeds)
            return f"too close to {target:.2%} to say at {n} seed{'s' * (n != 1)}"
        return f"{'over' if self.mean > target else 'not over'} {target:.2%}"

    def with_seeds_of(self, other: Confirmation) -> Confirmation:
        """Both merged, for trainings with equal epochs; where both have a seed, this one's accuracy is kept."""
        known = dict(zip(other.seeds, other.accuracies, strict=True)) | dict(
            zip(self.seeds, self.accuracies, strict=True)
        )
        balanced: dict[int, float] = {}
        if self.balanced_accuracies and other.balanced_accuracies:
            balanced = dict(zip(other.seeds, other.balanced_accuracies, strict=True)) | dict(
                zip(self.seeds, self.balanced_accuracies, strict=True)
            )
        seconds = self.seconds + (0.0 if set(other.seeds) <= set(self.seeds) else other.seconds)
        return Confirmation(
            trial=self.trial,
            architecture=self.architecture,
            epochs=self.epochs,
            seeds=tuple(sorted(known)),
            accuracies=tuple(known[seed] for seed in sorted(known)),
            seconds=seconds,
            test_images=self.test_images or other.test_images,
            balanced_accuracies=tuple(balanced[seed] for seed in sorted(balanced)),
            measure=self.measure,
        )

    def as_dict(self) -> dict[str, Any]:
        """The fields with mean and standard deviation, ready for JSON."""
        return {**asdict(self), "mean": self.mean, "std": self.std}


def mean_of(accuracies: Sequence[float]) -> float:
    """Their mean; of several accuracies rounded, so that it is not over a target that it equals."""
    return round(statistics.fmean(accuracies), _DIGITS) if len(accuracies) > 1 else accuracies[0]


def confirmations(study: Described, trial: int) -> list[Confirmation]:
    """A trial's confirmations in a study, one for each number of epochs, longest training first.

    Raises UnusableInputError where the stored value is not one that this tool writes.
    """
    if study.user_attrs.get(key := f"{CONFIRMED}{trial}", {}) == {}:
        return []
    check_confirmation(study, trial)
    table = study.user_attrs[key]
    try:
        found = [_read(one) for one in (table, *table.get(OTHERS, ()))]
    except MALFORMED as error:
        raise foreign(study, f"{key} lacks {error}") from None
    return sorted(found, key=lambda one: -one.epochs)


def add(study: optuna.Study, new: Confirmation) -> Confirmation:
    """Store a confirmation in the study; return it merged with the study's seeds for the same number of epochs.

    Readers show the one of the longest training; the others are stored with it.
    """
    known = {one.epochs: one for one in confirmations(study, new.trial)}
    whole = new.with_seeds_of(known[new.epochs]) if new.epochs in known else new
    first, *others = sorted((known | {new.epochs: whole}).values(), key=lambda one: -one.epochs)
    study.set_user_attr(f"{CONFIRMED}{new.trial}", {**first.as_dict(), OTHERS: [one.as_dict() for one in others]})
    return whole


def _read(table: Mapping[str, Any]) -> Confirmation:
    values = {field.name: table[field.name] for field in fields(Confirmation) if field.name in table}
    lists = {name: tuple(table.get(name, ())) for name in ("seeds", "accuracies", "balanced_accuracies")}
    found = Confirmation(**{**values, **lists})
    if not found.seeds or {len(found.accuracies), len(found.judged)} != {len(found.seeds)}:
        raise ValueError("an accuracy of each seed")
    return found


def _t(degrees: int) -> float:
    """Two-sided 95 % quantile of Student's t; from 11 degrees of freedom on, two terms of its expansion."""
    if degrees <= len(_STUDENT):
        return _STUDENT[degrees - 1]
    z = _NORMAL
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
