"""What ``calibrate`` prints of a fit, whose own timings take minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

import search
from nas.latency import calibration, predictor
from nas.latency.predictor import Predictor


@pytest.mark.parametrize(("error", "warns"), [(0.5, False), (0.51, True)])
def test_predictions_that_are_far_off_are_a_warning(
    error: float, warns: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = Predictor(machine="here", threads=1, weights={}, median_error=0.25, error_90=error, networks=24)
    monkeypatch.setattr(calibration, "calibrate", lambda **_: fit)
    monkeypatch.setattr(predictor, "user_cache", lambda: tmp_path)
    assert search.run(["calibrate"]) == 0
    out, err = capsys.readouterr()
    assert f"half are predicted within 25.0% and nine of ten within {error:.1%}" in out
    assert ("warning: a tenth of the networks is predicted 51% off or more: " in err) is warns
