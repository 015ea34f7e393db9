"""The prediction of latency, and where it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.architecture.spec import parse
from nas.latency import predictor
from nas.latency.predictor import Predictor, keep, load

WEIGHTS = {"network": 0.5, "dense calls": 0.25, "dense macs": 0.1}
NETWORKS = [parse("N/c8/fc"), parse("N/c8-c8/fc")]


def made(**changes: object) -> Predictor:
    fields = {"machine": "here", "threads": 1, "weights": WEIGHTS, "median_error": 0.1, "error_90": 0.2, "networks": 24}
    return Predictor(**(fields | changes))  # type: ignore[arg-type]  # fields by name


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "user_cache", lambda: tmp_path)
    monkeypatch.setattr(predictor, "machine", lambda: "here")


def test_a_network_s_time_is_the_weighted_sum_of_its_features() -> None:
    first = 0.5 + 0.25 + 0.1 * 3 * 8 * 9 * 1024 / 1e6
    second = first + 0.25 + 0.1 * 8 * 8 * 9 * 1024 / 1e6
    assert [made()(network) for network in NETWORKS] == pytest.approx([first, second])
    assert made().predict(NETWORKS).tolist() == pytest.approx([first, second])
    assert made().predict([]).tolist() == []


def test_a_calibration_is_read_back_on_its_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UnusableInputError, match=r"latency_ms is not known here: here was not calibrated: run search\.py"
    ):
        load()
    keep(made())
    assert load() == made()
    monkeypatch.setattr(predictor, "machine", lambda: "there")
    with pytest.raises(UnusableInputError, match="there was not calibrated"):
        load()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 0}', '{"version": 1, "machine": "here"}'])
def test_a_damaged_file_is_no_calibration(text: str) -> None:
    keep(made()).write_text(text)
    with pytest.raises(UnusableInputError, match="was not calibrated"):
        load()


def test_another_calibration_has_another_fingerprint() -> None:
    assert made().fingerprint == made().fingerprint != made(threads=2).fingerprint
    assert made().identity == {"name": "here, 1 threads", "hash": made().fingerprint}
