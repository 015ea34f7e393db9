"""The prediction of latency, and where it is kept."""

from __future__ import annotations

import json
import math
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


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"version": 0}', '{"version": 1, "machine": "here"}', "[" * 100_000, "\udcff"],
    ids=["empty", "list", "cut", "version", "keys", "deep", "bytes"],
)
def test_a_damaged_file_is_no_calibration(text: str) -> None:
    place = keep(made())
    place.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(UnusableInputError, match=f"its calibration is damaged: {place}: run search.py calibrate again"):
        load()


NO_FIT: list[dict[str, object]] = [
    {"weights": None}, {"weights": [0.5, 0.25]}, {"weights": {"network": "x"}}, {"weights": {"network": -1.0}},
    {"weights": {"network": math.nan}}, {"weights": {"network": math.inf}}, {"threads": "two"}, {"threads": 0},
    {"networks": 0}, {"median_error": None}, {"error_90": math.nan},
]  # fmt: skip


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("change", NO_FIT, ids=str)
def test_values_that_no_fit_gives_are_no_calibration(change: dict[str, object], is_old: bool) -> None:
    _rewrite(keep(made()), change, is_old=is_old)
    with pytest.raises(UnusableInputError, match="its calibration is damaged"):
        load()


def test_a_weight_that_was_changed_or_dropped_is_found_by_the_hash() -> None:
    """In a file of an earlier release, which has no hash, such a change is taken for the fit."""
    place = keep(made())
    for weights in ({**WEIGHTS, "network": 0.25}, {"network": 0.5}):
        _rewrite(place, {"weights": weights}, is_old=False)
        with pytest.raises(UnusableInputError, match="its calibration is damaged"):
            load()
        _rewrite(place, {"weights": weights}, is_old=True)
        assert load() == made(weights=weights)
        keep(made())


def _rewrite(place: Path, change: dict[str, object], *, is_old: bool) -> None:
    """Change values of a calibration's file; one of an earlier release (``is_old``) has no hash."""
    table = json.loads(place.read_text())
    if is_old:
        del table["hash"]
    place.write_text(json.dumps(table | change))


def test_another_calibration_has_another_fingerprint() -> None:
    assert made().fingerprint == made().fingerprint != made(threads=2).fingerprint
    assert made().identity == {"name": "here, 1 threads", "hash": made().fingerprint}
