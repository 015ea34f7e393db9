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


def test_a_cache_that_cannot_be_written_is_refused_before_anything_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def timed(**_: object) -> Predictor:
        raise AssertionError("it began")

    (tmp_path / "file").touch()
    monkeypatch.setattr(calibration, "calibrate", timed)
    monkeypatch.setattr(predictor, "user_cache", lambda: tmp_path / "file")
    assert search.run(["calibrate"]) == 2
    place = tmp_path / "file" / "latency"
    assert f"error: the calibration cannot be stored: {place}: Not a directory: make" in capsys.readouterr().err


def test_a_calibration_before_is_kept_under_another_name_and_can_be_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def calibrated(weight: float) -> str:
        fit = Predictor(
            machine=predictor.machine(),
            threads=1,
            weights={"calls": weight},
            median_error=0.1,
            error_90=0.2,
            networks=24,
        )
        monkeypatch.setattr(calibration, "calibrate", lambda **_: fit)
        assert search.run(["calibrate", "--format", "json"]) == 0
        return capsys.readouterr().err

    monkeypatch.setattr(predictor, "user_cache", lambda: tmp_path)
    assert calibrated(1.0) == ""
    (place,) = (tmp_path / "latency").iterdir()
    first = predictor.load()
    said = calibrated(2.0)
    assert predictor.load().weights == {"calls": 2.0}
    (kept,) = (path for path in (tmp_path / "latency").iterdir() if path != place)
    assert said.startswith(f"note: the calibration before is now {kept}: ")
    assert said.endswith(f"is renamed to {place.name} again\n")
    kept.replace(place)
    assert predictor.load() == first
