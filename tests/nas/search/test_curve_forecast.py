from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.curves import read
from nas.search.curve_forecast import CURVE_SPREAD, FIRST_SPREAD, CurveForecast, CurvePoint, remains

FORECAST = CurveForecast(epochs=20, test_images=10_000)
TEN = {1: 0.6773, 2: 0.7607, 5: 0.8290}
"""Mean validation accuracies of the documented training of 10 epochs; 85.65 % of the test images at its end."""
TWENTY = {1: 0.654, 2: 0.748, 5: 0.816, 10: 0.847, 20: 0.8556}
"""Those of the winner of the run of 20 epochs; 86.18 % of the test images."""


@pytest.mark.parametrize("epochs", TEN)
def test_the_documented_training_of_10_epochs_is_forecast(epochs: int) -> None:
    found = 1 - FORECAST.error(CurvePoint(epochs=epochs, accuracy=TEN[epochs]), 10)
    assert found == pytest.approx(0.8565, abs=0.003)


@pytest.mark.parametrize("epochs", TWENTY)
def test_the_documented_training_of_20_epochs_is_forecast(epochs: int) -> None:
    found = 1 - FORECAST.error(CurvePoint(epochs=epochs, accuracy=TWENTY[epochs]), 20)
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
    assert remains(2, 10) == pytest.approx(0.608)
    assert remains(3, 10) == pytest.approx(0.608 * (0.842 / 0.608) ** (math.log(1.5) / math.log(2.5)))


@pytest.mark.parametrize(("length", "ten", "middle"), [(20, 0.903, 0.925), (100, 0.687, 0.806), (400, 0.542, 0.717)])
def test_between_the_last_known_epoch_and_the_end_it_rises_to_what_is_known_of_the_end(
    length: int, ten: float, middle: float
) -> None:
    """By hand: 1.016 (length / 10)^-0.17 after 10 epochs, 0.947 at the end, their geometric mean halfway in logs."""
    assert remains(10, length) == pytest.approx(ten, abs=0.001)
    assert remains(length, length) == pytest.approx(0.947)
    half = math.sqrt(10 * length)
    assert remains(math.floor(half), length) <= middle + 0.001 <= remains(math.ceil(half), length) + 0.002


@pytest.mark.parametrize("length", [1, 2, 3, 5, 7, 8, 9, 10, 11, 15, 20, 100, 200, 400])
def test_the_share_never_falls_with_the_epochs_and_is_never_above_that_of_the_end(length: int) -> None:
    shares = [remains(epochs, length) for epochs in range(1, length + 1)]
    assert all(before <= after + 1e-12 for before, after in pairwise(shares))
    assert shares[-1] == pytest.approx(0.947)


@pytest.mark.parametrize(("accuracy", "length"), [(0.76, 12), (0.748, 16), (0.72, None), (0.9, 8)])
def test_the_length_is_the_shortest_that_suffices(accuracy: float, length: int | None) -> None:
    """By hand: 0.608 e (E/10)^-0.17 exp(s) < 0.15, s the root of 0.04^2 + 0.02^2 + (1-e)/(5000 e) + (1-t)/(10000 t)."""
    seen = CurvePoint(epochs=2, accuracy=accuracy, images=5_000)
    found = FORECAST.length(seen, 0.85)
    assert found == length
    if found is not None and found > 8:
        for epochs, clears in ((found, True), (found - 1, False)):
            e = 1 - accuracy
            t = 0.608 * e * (epochs / 10) ** -0.17
            s = math.sqrt(0.04**2 + 0.02**2 + (1 - e) / (5_000 * e) + (1 - t) / (10_000 * t))
            assert (t * math.exp(s) < 0.15) == clears


def test_no_training_is_longer_than_a_candidate_s() -> None:
    assert CurveForecast(epochs=4, test_images=10_000).length(CurvePoint(epochs=2, accuracy=0.9), 0.8) == 4


@pytest.mark.parametrize(("images", "error"), [(5_000, 0.0001), (100, 0.005), (0, 0.0005)])
def test_a_perfect_accuracy_has_an_error_of_half_an_image(images: int, error: float) -> None:
    """Of 1,000 where their number is not known."""
    assert CurvePoint(epochs=1, accuracy=1.0, images=images).error == error
    assert FORECAST.error(CurvePoint(epochs=1, accuracy=0.0), 8) <= 1
