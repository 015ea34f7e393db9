"""Forecasts a network's test accuracy after a training on all images from its first epochs.

From a given epoch to its end, a training reduces its error by about the same factor, whatever the network: of the 64
curves in ``benchmarks/tables/cifar10.csv`` the logarithms of the errors after 2 and after 4 epochs lie on a line of
slope 0.99, around which they scatter by 2.5 % (from the first epoch on: slope 1.11, 4.1 %). So the error at the end is
forecast as

    error after k epochs * REMAINS[k] * (epochs / 10) ** -DECAY

and, between the last of these k and the end of a candidate's own training (the factor ENDED), by interpolation.

REMAINS and DECAY come from the two trainings in docs/measurements whose validation curve and test accuracy are both
known, of 10 epochs (3 seeds) and of 20; there is no sign that the length of the schedule changes the first epochs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

REMAINS = {1: 0.447, 2: 0.608, 5: 0.842, 10: 1.016}
"""Epochs k -> test error after 10 epochs on all images, over the validation error after k epochs."""
ENDED = 0.947
"""The same over the validation error at the end of an equally long training with a tenth fewer images."""
DECAY = 0.17
"""The error falls with this power of the epochs: 0.15 from the two, 0.20 from trainings of 8 and 18 epochs."""
CURVE_SPREAD = 0.02
"""Standard deviation, between networks of one study, of the logarithm of the remaining share of the error."""
FIRST_SPREAD = 0.04
"""The same where only the first epoch is known."""
LEVEL_SPREAD = 0.04
"""Standard deviation of that logarithm between studies: other data, other recipes."""
FEWEST_EPOCHS = 8
"""Fewest epochs of a confirmation, unless a candidate's budget is less."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """How far a network is trained: ``accuracy`` after its last epoch, measured on ``images`` validation images."""

    epochs: int
    accuracy: float
    images: int = 0
    """0 where the number is not known."""

    @property
    def error(self) -> float:
        """The share of misclassified images; half an image where all are right."""
        return max(1 - self.accuracy, 0.5 / (self.images or 1000))


@dataclass(frozen=True, kw_only=True)
class CurveForecast:
    """Forecasts for a study whose candidates train ``epochs``; they use validation accuracy only."""

    epochs: int
    test_images: int

    @property
    def fewest(self) -> int:
        """Fewest epochs of a confirmation."""
        return min(FEWEST_EPOCHS, self.epochs)

    def error(self, seen: CurvePoint, epochs: int) -> float:
        """The test error forecast after a training of ``epochs`` on all images."""
        return min(seen.error * remains(seen.epochs, self.epochs) * math.pow(epochs / self.epochs, -DECAY), 1.0)

    def spread(self, seen: CurvePoint, epochs: int) -> float:
        """Standard deviation of the logarithm of the error that the test images will measure."""
        curve = FIRST_SPREAD if seen.epochs == 1 < self.epochs else CURVE_SPREAD
        measured = [_variance(seen.error, seen.images), _variance(self.error(seen, epochs), self.test_images)]
        return math.sqrt(LEVEL_SPREAD**2 + curve**2 + math.fsum(measured))

    def length(self, seen: CurvePoint, target: float) -> int | None:
        """The fewest epochs after which the error is forecast below that of the target by its spread, or None.

        At least FEWEST_EPOCHS, and at most those of a candidate.
        """
        for epochs in range(self.fewest, self.epochs + 1):
            if self.error(seen, epochs) * math.exp(self.spread(seen, epochs)) < 1 - target:
                return epochs
        return None


def remains(epochs: int, length: int) -> float:
    """Test error after a whole training of ``length``, over the validation error after ``epochs`` of one as long.

    Interpolated as a power of the epochs between two known points; the last known point is the end. It never falls with
    the epochs, so that an epoch near the end of a short training predicts no more than its end does.
    """
    known = {k: min(share * math.pow(length / 10, -DECAY), ENDED) for k, share in REMAINS.items() if k < length}
    shares = known | {length: ENDED}
    return float(np.exp(np.interp(math.log(epochs), np.log([*shares]), np.log([*shares.values()]))))


def _variance(error: float, images: int) -> float:
    """Variance of the logarithm of a share measured on ``images``; 0 where their number is not known."""
    return (1 - error) / (error * images) if images else 0.0
