"""The fit of latency, on times that follow from known weights."""

from __future__ import annotations

import pytest

from nas.architecture.spec import Architecture
from nas.latency import calibration
from nas.latency.network_features import features

TRUE = {"network": 0.2, "dense calls": 0.1, "dense macs": 0.5, "pointwise macs": 2.0, "batch_norm values": 3.0}


def true_time(network: Architecture) -> float:
    return sum(TRUE.get(name, 0.0) * amount for name, amount in features(network).items())


def test_the_grid_has_every_feature_of_the_networks_that_judge_it() -> None:
    known = {name for network in calibration.grid() for name in features(network)}
    assert {name for network in calibration.networks() for name in features(network)} <= known
    assert list(calibration.grid()) == list(calibration.grid())


def test_times_that_are_a_weighted_sum_are_found_exactly() -> None:
    calls: list[tuple[int, int]] = []
    found = calibration.calibrate(timed=true_time, progress=lambda done, total: calls.append((done, total)), threads=3)
    assert found.error_90 < 1e-6
    assert {name: found.weights[name] for name in TRUE} == pytest.approx(TRUE, rel=1e-4)
    assert min(found.weights.values()) >= 0
    assert (found.threads, found.networks) == (3, calibration.NETWORKS * len(calibration.PRESETS))
    assert calls[-1][0] == calls[-1][1] == len(calls)


def test_the_error_is_relative_and_of_networks_that_it_was_not_fitted_on() -> None:
    layers = {str(network) for network in calibration.grid()}
    found = calibration.calibrate(timed=lambda n: true_time(n) * (1.0 if str(n) in layers else 2.0))
    assert (found.median_error, found.error_90) == pytest.approx((0.5, 0.5), abs=1e-6)
