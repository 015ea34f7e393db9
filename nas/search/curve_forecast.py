"""What the first epochs of a network say of its accuracy at the end of a training on all images.

From a given epoch to its end a training loses about the same share of its errors, whatever the network: of the 64
curves in ``benchmarks/tables/cifar10.csv`` the logarithms of the errors after 2 and after 4 epochs lie on a line of
slope 0.99, off which they scatter by 2.5 % (from the first epoch on: slope 1.11, 4.1 %). So the error at the end is
forecast as

    error after k epochs * REMAINS[k] * (epochs / 10) ** -DECAY

and between the last of these k and the end of a candidate's own training, of which ENDED is known, by interpolation.

REMAINS and DECAY are those of the two trainings in docs/measurements of which validation curve and test accuracy are
known, of 10 epochs (3 seeds) and of 20; there is no sign that the length of the schedule changes the first epochs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

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
        """The share of the images that it gets wrong; half an image where it gets all right."""
        return max(1 - self.accuracy, 0.5 / (self.images or 1000))


@dataclass(frozen=True, kw_only=True)
class CurveForecast:
    """Forecasts for the networks of one study, whose candidates train ``epochs``; no test accuracy changes them."""

    epochs: int
    test_images: int

    @property
    def fewest(self) -> int:
        """Fewest epochs of a training that confirms."""
        return min(FEWEST_EPOCHS, self.epochs)

    def error(self, seen: Seen, epochs: int) -> float:
        """The test error after a training of so many epochs on all images."""
        return min(seen.error * remains(seen.epochs, self.epochs) * math.pow(epochs / self.epochs, -DECAY), 1.0)

    def spread(self, seen: Seen, epochs: int) -> float:
        """Standard deviation of the logarithm of the error as it will be measured, by the test images."""
        curve = FIRST_SPREAD if seen.epochs == 1 < self.epochs else CURVE_SPREAD
        measured = [_variance(seen.error, seen.images), _variance(self.error(seen, epochs), self.test_images)]
        return math.sqrt(LEVEL_SPREAD**2 + curve**2 + math.fsum(measured))

    def length(self, seen: Seen, target: float) -> int | None:
        """The fewest epochs after which the error is forecast below that of the target by its spread, or None.

        At least FEWEST_EPOCHS, and at most those of a candidate.
        """
        for epochs in range(self.fewest, self.epochs + 1):
            if self.error(seen, epochs) * math.exp(self.spread(seen, epochs)) < 1 - target:
                return epochs
        return None


def remains(epochs: int, length: int) -> float:
    """Test error after a whole training of ``length``, over the validation error after ``epochs`` of one as long.

    A power of the epochs between two that are known, of which the end is the last. It never falls with the epochs, so
    that those where a short training is nearly at its end say no more than its end.
    """
    known = {k: min(share * math.pow(length / 10, -DECAY), ENDED) for k, share in REMAINS.items() if k < length}
    shares = known | {length: ENDED}
    return float(np.exp(np.interp(math.log(epochs), np.log([*shares]), np.log([*shares.values()]))))


def _variance(error: float, images: int) -> float:
    """That of the logarithm of a share measured by so many images; nothing where their number is not known."""
    return (1 - error) / (error * images) if images else 0.0
