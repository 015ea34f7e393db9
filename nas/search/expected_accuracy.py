"""The expected accuracy of the best trial on images that were not used to select it.

The best of many candidates is partly the luckiest: its validation accuracy is above its true one (the winner's curse).
The true accuracies of the complete candidates are modelled as draws from one normal distribution, each measured with
the binomial error of a share of the validation images. Then a candidate's true accuracy, given all measurements, is
about normal around its measurement shrunk towards the mean: the less the candidates differ beyond that error, the more
(empirical Bayes: Morris, Parametric empirical Bayes inference, 1983: equations 1.17 and 4.1, with his corrections for a
mean and a spread that are estimated themselves).

With three or fewer candidates, their spread cannot be estimated. Then they count as equally good, where the best one's
luck is greatest: below the true accuracy is the lower limit of the largest of n errors. The errors are those of
Anscombe's arcsine, whose variance does not depend on the accuracy, so that 50 right of 50 are no certainty (Anscombe,
The transformation of Poisson, binomial and negative-binomial data, 1948).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas.objective_text import ACCURACY

_NORMAL = statistics.NormalDist()
_FEW = 3
_WIDE = _NORMAL.inv_cdf(0.975)


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """The accuracy of a trial on new images: its 95 % interval, and how likely it is over the target."""

    trial: int
    centre: float
    low: float
    high: float
    over_target: float | None
    """Probability, 0 to 1; None without a target."""
    candidates: int
    """Number of complete candidates that it was chosen from."""
    images: int
    """Number of validation images; for balanced accuracy, the number that would be as certain."""
    measure: str = ACCURACY
    """Which accuracy it is: one of nas.objective_text.MEASURES."""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return dict(vars(self))

    def sentence(self, target: float | None) -> str:
        """As text, for the line below a leaderboard."""
        best = f"the best of {self.candidates} by" if self.candidates > 1 else "the only complete one, measured on"
        odds = (
            "" if self.over_target is None else f"; over {target:.2%} with a probability of {_share(self.over_target)}"
        )
        kind = "" if self.measure == ACCURACY else f" {self.measure.replace('_', ' ')}"
        return (
            f"trial {self.trial}, {best}{' the worth of' * bool(kind)} {self.images:,} validation images,"
            f"{kind} on new images: "
            f"{self.low:.2%} to {self.high:.2%} (95%){odds}"
        )


def expectation(
    trial: int, accuracy: float, others: Sequence[float], *, images: int, target: float | None, measure: str = ACCURACY
) -> Expectation:
    """The expectation of the best trial; ``others`` are the validation accuracies of the other complete trials."""
    estimate = _of_few if len(others) < _FEW else _of_many
    centre, low, high, over = estimate(accuracy, others, images=images, target=target)
    return Expectation(
        trial=trial,
        centre=centre,
        low=low,
        high=high,
        over_target=over,
        candidates=1 + len(others),
        images=images,
        measure=measure,
    )


_Estimate = tuple[float, float, float, float | None]
"""Centre, low, high and the probability of being over the target, as of an Expectation."""


def _of_many(accuracy: float, others: Sequence[float], *, images: int, target: float | None) -> _Estimate:
    """The accuracy of the best, shrunk towards the mean of all."""
    measured = [accuracy, *others]
    mean = statistics.fmean(measured)
    error = _variance(mean, images)
    n = len(measured)
    spread = max(statistics.variance(measured) - error, 0.0)
    drawn = (n - 3) / (n - 1) * error / (error + spread)
    centre = accuracy + drawn * (mean - accuracy)
    deviation = math.hypot(
        math.sqrt(2 / (n - 3)) * drawn * abs(accuracy - mean), math.sqrt(error * (1 - (n - 1) / n * drawn))
    )
    over = None if target is None else 1 - _NORMAL.cdf((target - centre) / deviation)
    return centre, max(centre - _WIDE * deviation, 0.0), min(centre + _WIDE * deviation, 1.0), over


def _of_few(accuracy: float, others: Sequence[float], *, images: int, target: float | None) -> _Estimate:
    """The accuracy of the best, less the largest error of that many equally good candidates.

    All of n errors are below x standard errors with a probability of cdf(x)^n.
    """
    n, error = 1 + len(others), 0.5 / math.sqrt(images + 0.5)
    angle = math.asin(math.sqrt((accuracy * images + 0.375) / (images + 0.75)))
    centre, low = (_share_of(angle - _NORMAL.inv_cdf(p ** (1 / n)) * error) for p in (0.5, 0.975))
    over = None if target is None else _NORMAL.cdf((angle - math.asin(math.sqrt(target))) / error) ** n
    return centre, low, _share_of(angle + _WIDE * error), over


def _share_of(angle: float) -> float:
    return math.sin(min(max(angle, 0.0), math.pi / 2)) ** 2


def standard_error(share: float, images: int) -> float:
    """Standard error of a share of ``images``; where all or none are right, half an image counts as wrong or right."""
    return math.sqrt(_variance(share, images))


def _variance(share: float, images: int) -> float:
    """Variance of a measured share; all or none right counts as half an image off (Laplace)."""
    share = min(max(share, 0.5 / images), 1 - 0.5 / images)
    return share * (1 - share) / images


def _share(probability: float) -> str:
    return "under 1%" if probability < 0.01 else "over 99%" if probability > 0.99 else f"{probability:.0%}"
