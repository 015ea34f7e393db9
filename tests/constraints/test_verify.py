"""The probe's word on a traced receptive field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from torch import nn

from constraints import check
from constraints.report import Report
from constraints.verify import verify


def report(model: nn.Module, size: tuple[int, int, int] = (1, 8, 8), **figures: Any) -> Report:
    made = check(model, input_size=size, require=[], fixes=False)
    return replace(made, metrics={**made.metrics, **figures})


CONVS = nn.Sequential(nn.Conv2d(1, 2, (3, 1)), nn.ReLU(), nn.Conv2d(2, 2, (3, 3)))
FIELD = [5, 3]  # 1 + 2 + 2 down, 1 + 0 + 2 across


def test_a_field_that_gradients_measure_too_is_verified() -> None:
    found = verify(CONVS, report(CONVS))
    assert found.verified is not None
    assert found.verified["receptive_field_hw"] == FIELD
    assert found.verified["agrees"] is True
    # An axis is doubled until it holds twice the field: 8 to 16 for 5, and 8 holds 3 twice.
    assert found.verified["input"] == [[1, 16, 8], [1, 8, 8]]
    verdict = found.constraints[-1]
    assert (verdict.name, verdict.ok, verdict.value) == ("verified", True, True)
    assert verdict.why == "gradients measure 5x3 on inputs of 1x16x8 and 1x8x8, the trace says 5x3"


@pytest.mark.parametrize("wrong", [[4, 3], [6, 3], [5, 2]])
def test_one_pixel_more_or_less_is_a_contradiction(wrong: list[int]) -> None:
    found = verify(CONVS, report(CONVS, receptive_field_hw=wrong))
    assert not found.ok
    assert found.verified is not None
    assert found.verified["agrees"] is False
    assert "gradients measure 5x3" in found.constraints[-1].why
    assert f"the trace says {wrong[0]}x{wrong[1]}" in found.constraints[-1].why


def test_the_phases_of_an_upsampling_are_all_measured() -> None:
    # Of 2 x 2 upsampled units a window of 2 sees one pixel or two, by phase: the larger counts.
    model = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 2))
    found = verify(model, report(model))
    assert found.verified is not None
    assert (found.verified["receptive_field_hw"], found.verified["agrees"]) == ([2, 2], True)


def test_an_unknown_field_is_not_verified() -> None:
    found = verify(CONVS, report(CONVS, receptive_field_hw=None))
    assert found.constraints == ()
    assert found.warnings[-1] == "the receptive field could not be verified: the traced receptive field is unknown"


def test_a_model_for_one_size_alone_gets_a_warning_of_one_line() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 5), nn.Flatten(), nn.Linear(2 * 4 * 4, 3))
    found = verify(model, report(model))
    assert found.verified is None
    assert found.constraints == ()
    assert found.warnings[-1].startswith("the receptive field could not be verified: RuntimeError: ")
    assert "\n" not in found.warnings[-1]


def test_a_field_that_no_strip_holds_is_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("constraints.verify._LONGEST", 8)
    found = verify(CONVS, report(CONVS))  # 5 pixels down need a strip of 16
    assert found.verified is None
    assert found.warnings[-1].endswith("no unit's field fits into 8 pixels")
