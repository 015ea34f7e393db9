from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.curves import read
from nas.search.curve_forecast import CURVE_SPREAD, FIRST_SPREAD, LEVEL_SPREAD, CurveForecast, Seen, remains

FORECAST = CurveForecast(epochs=20, test_images=10_000)
TEN = {1: 0.6773, 2: 0.7607, 5: 0.8290}
"""Mean validation accuracies of the documented training of 10 epochs; 85.65 % of the test images at its end."""
TWENTY = {1: 0.654, 2: 0.748, 5: 0.816, 10: 0.847, 20: 0.8556}
"""Those of the winner of the run of 20 epochs; 86.18 % of the test images."""


@pytest.mark.parametrize("epochs", TEN)
def test_the_documented_training_of_10_epochs_is_forecast(epochs: int) -> None:
    found = 1 - FORECAST.error(Seen(epochs=epochs, accuracy=TEN[epochs]), 10)
    assert found == pytest.approx(0.8565, abs=0.003)


@pytest.mark.parametrize("epochs", TWENTY)
def test_the_documented_training_of_20_epochs_is_forecast(epochs: int) -> None:
    found = 1 - FORECAST.error(Seen(epochs=epochs, accuracy=TWENTY[epochs]), 20)
    assert found == pytest.approx(0.8618, abs=0.003)


def test_the_curves_lose_the_same_share_of_their_errors() -> None:
    """What the spreads promise, by the 64 curves: the scatter in logarithms, both measurements included."""
    errors = np.log(1 - np.array([curve.accuracies for curve in read()]))
    for epoch, spread in ((1, FIRST_SPREAD), (2, CURVE_SPREAD)):
        slope, level = np.polyfit(errors[:, epoch - 1], errors[:, -1], 1)
        scatter = float((errors[:, -1] - slope * errors[:, epoch - 1] - level).std(ddof=2))
        assert scatter < math.hypot(spread, 0.018)  # an error of 0.38 by 5,000 images: sqrt(0.62 / 0.38 / 5000)
        assert slope == pytest.approx(1, abs=0.12)


def test_between_two_known_epochs_the_share_is_a_power() -> None:
    assert remains(2) == pytest.approx(0.608)
    assert remains(3) == pytest.approx(0.608 * (0.842 / 0.608) ** (math.log(1.5) / math.log(2.5)))
    assert remains(20) == pytest.approx(1.016 * 1.016 / 0.842), "and beyond the last, as far as it was to that"


@pytest.mark.parametrize(("accuracy", "length"), [(0.76, 12), (0.748, 16), (0.72, None), (0.9, 8)])
def test_the_length_is_the_shortest_that_suffices(accuracy: float, length: int | None) -> None:
    """By hand: 0.608 e (E/10)^-0.17 exp(s) < 0.15, s the root of 0.04^2 + 0.02^2 + (1-e)/(5000 e) + (1-t)/(10000 t)."""
    seen = Seen(epochs=2, accuracy=accuracy, images=5_000)
    found = FORECAST.length(seen, 0.85)
    assert found == length
    if found is not None and found > 8:
        for epochs, clears in ((found, True), (found - 1, False)):
            e = 1 - accuracy
            t = 0.608 * e * (epochs / 10) ** -0.17
            s = math.sqrt(0.04**2 + 0.02**2 + (1 - e) / (5_000 * e) + (1 - t) / (10_000 * t))
            assert (t * math.exp(s) < 0.15) == clears


def test_no_training_is_longer_than_a_candidate_s() -> None:
    assert CurveForecast(epochs=4, test_images=10_000).length(Seen(epochs=2, accuracy=0.9), 0.8) == 4


def test_a_confirmation_that_missed_corrects_the_level() -> None:
    """One residual of 0.1: its weight is 0.04^2 / (0.04^2 + 0.02^2) = 0.8, what is left unknown 0.04 sqrt(0.2)."""
    seen = Seen(epochs=2, accuracy=0.76)
    measured = 1 - FORECAST.error(seen, 12) * math.exp(0.1)
    assert FORECAST.residual(seen, 12, measured) == pytest.approx(0.1)
    corrected = FORECAST.corrected([0.1])
    assert corrected.error(seen, 12) == pytest.approx(FORECAST.error(seen, 12) * math.exp(0.08))
    test_images = (1 - corrected.error(seen, 12)) / (10_000 * corrected.error(seen, 12))
    assert corrected.spread(seen, 12) == pytest.approx(math.sqrt(0.2 * LEVEL_SPREAD**2 + CURVE_SPREAD**2 + test_images))


def test_a_perfect_accuracy_has_an_error_of_half_an_image() -> None:
    assert Seen(epochs=1, accuracy=1.0, images=5_000).error == 0.0001
    assert FORECAST.error(Seen(epochs=1, accuracy=0.0), 8) <= 1
