"""What a stage's table must be by itself."""

from __future__ import annotations

from typing import Any

import pytest

from nas.space.stage_space import StageSpace, Widths

STAGE = {"depth": [2], "width": {"low": 8, "high": 16}, "body": ["c3"], "down": ["c3"]}


def test_widths_are_a_range_with_both_ends() -> None:
    assert list(Widths(low=8, high=24).values()) == [8, 16, 24]
    assert list(Widths(low=8, high=8, step=4).values()) == [8]


@pytest.mark.parametrize(("low", "high", "step"), [(16, 8, 8), (8, 20, 8)])
def test_an_end_that_is_not_reached_is_refused(low: int, high: int, step: int) -> None:
    with pytest.raises(ValueError, match=f"high {high} must be low {low} plus a multiple of step {step}"):
        Widths(low=low, high=high, step=step)


def test_a_width_beyond_any_network_s_is_refused() -> None:
    assert len(Widths(low=8, high=65_536).values()) == 8_192
    with pytest.raises(ValueError, match="less than or equal to 65536"):
        Widths(low=8, high=8 * 10**9, step=8 * 10**9 - 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": [1]}, "greater than or equal to 2"),
        ({"depth": [13]}, "less than or equal to 12"),
        ({"body": ["c3", "c3"]}, "a value is given twice"),
        ({"residual": [True, "scaled", True]}, "a value is given twice"),
        ({"body": ["65c3"]}, "a layer is called at most 64 times"),
        ({"stem": ["2c3"]}, "only a body layer is called several times"),
        ({"down": ["2c3"]}, "only a body layer is called several times"),
        ({"bodies": ["c3"]}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_no_stage_is_refused(change: dict[str, Any], message: str) -> None:
    assert StageSpace.model_validate(STAGE | {"body": ["c3", "64c3"]}).stem == ["c3"]
    with pytest.raises(ValueError, match=message):
        StageSpace.model_validate(STAGE | change)
