"""What the first epochs of a network say of its accuracy at the end of a training on all images.

From a given epoch to its end a training loses about the same share of its errors, whatever the network: of the 64
curves in ``benchmarks/tables/cifar10.csv`` the logarithms of the errors after 2 and after 4 epochs lie on a line of
slope 0.99, off which they scatter by 2.5 % (from the first epoch on: slope 1.11, 4.1 %). So the error at the end is
forecast as

    error after k epochs * REMAINS[k] * (epochs / 10) ** -DECAY

REMAINS and DECAY are those of the two trainings in docs/measurements of which validation curve and test accuracy are
known, of 10 epochs (3 seeds) and of 20; there is no sign that the length of the schedule changes the first epochs.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

REMAINS = {1: 0.447, 2: 0.608, 5: 0.842, 10: 1.016}
"""Test error after a training of 10 epochs on all images, over the validation error after so many of a longer one."""
ENDED = 0.947
"""The same over the validation error at the end of a training as long, which had a tenth fewer images."""
DECAY = 0.17
"""With which power of its length the error of a training falls: 0.15 by the two, 0.20 by one of 8 and one of 18."""
CURVE_SPREAD = 0.02
"""Standard deviation of the logarithm of the share that remains, between networks of one study."""
FIRST_SPREAD = 0.04
"""The same by the first epoch alone."""
LEVEL_SPREAD = 0.04
"""Standard deviation of that logarithm between studies: other data, other recipes."""
FEWEST_EPOCHS = 8
"""Fewest epochs of a training that confirms, where a candidate of the study has as many."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How far a network is trained: ``accuracy`` is that of its last epoch by ``images`` of the validation part."""

    epochs: int
    accuracy: float
    images: int = 0
    """0 where that is not known."""

    @property
    def error(self) -> float:
        """The share of the images that it gets wrong; half an image where it gets all right (Laplace)."""
        return max(1 - self.accuracy, 0.5 / max(self.images, 1000))


@dataclass(frozen=True, kw_only=True)
class CurveForecast:
    """Forecasts for the networks of one study, whose candidates train ``epochs``.

    ``residuals`` are the logarithms of measured over forecast errors of the networks that were confirmed: they correct
    the level of the others, as the mean of a normal distribution with a normal prior around 0.
    """

    epochs: int
    test_images: int
    residuals: tuple[float, ...] = ()

    def corrected(self, residuals: Sequence[float]) -> CurveForecast:
        """The same with other residuals."""
        return replace(self, residuals=tuple(residuals))

    def error(self, seen: Seen, epochs: int) -> float:
        """The test error after a training of so many epochs on all images."""
        return min(self._prior(seen, epochs) * math.exp(self._level()[0]), 1.0)

    def residual(self, seen: Seen, epochs: int, accuracy: float) -> float:
        """By how much a test accuracy was off what no other confirmation would have forecast."""
        return math.log(max(1 - accuracy, 0.5 / max(self.test_images, 1000)) / self._prior(seen, epochs))

    def spread(self, seen: Seen, epochs: int) -> float:
        """Standard deviation of the logarithm of the error as it will be measured, by the test images."""
        curve = FIRST_SPREAD if seen.epochs == 1 < self.epochs else CURVE_SPREAD
        measured = [_variance(seen.error, seen.images), _variance(self.error(seen, epochs), self.test_images)]
        return math.sqrt(self._level()[1] ** 2 + curve**2 + math.fsum(measured))

    def length(self, seen: Seen, target: float) -> int | None:
        """The fewest epochs after which the error is forecast below that of the target by its spread, or None.

        At least FEWEST_EPOCHS, and at most those of a candidate.
        """
        for epochs in range(min(FEWEST_EPOCHS, self.epochs), self.epochs + 1):
            if self.error(seen, epochs) * math.exp(self.spread(seen, epochs)) < 1 - target:
                return epochs
        return None

    def _prior(self, seen: Seen, epochs: int) -> float:
        if seen.epochs >= self.epochs:
            return float(seen.error * ENDED * (epochs / self.epochs) ** -DECAY)
        return float(seen.error * remains(seen.epochs) * (epochs / 10) ** -DECAY)

    def _level(self) -> tuple[float, float]:
        """Mean and standard deviation of what all forecasts of the study are off by, in logarithms."""
        count = len(self.residuals)
        if not count:
            return 0.0, LEVEL_SPREAD
        weight = LEVEL_SPREAD**2 / (LEVEL_SPREAD**2 + CURVE_SPREAD**2 / count)
        return weight * math.fsum(self.residuals) / count, LEVEL_SPREAD * math.sqrt(1 - weight)


def remains(epochs: int) -> float:
    """REMAINS after any number of epochs: a power of them between two that are known, and beyond the last."""
    known = list(pairwise(REMAINS.items()))
    (before, low), (after, high) = known[min(bisect_right(list(REMAINS), epochs), len(known)) - 1]
    return float(low * (high / low) ** (math.log(epochs / before) / math.log(after / before)))


def _variance(error: float, images: int) -> float:
    """That of the logarithm of a share measured by so many images; nothing where their number is not known."""
    return (1 - error) / (error * images) if images else 0.0
