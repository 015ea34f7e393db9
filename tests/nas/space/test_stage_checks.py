"""Layers that do not fit their stage, in any form."""

from __future__ import annotations

from typing import Any

import pytest

from nas.space.space import Space


def space(*, stages: list[dict[str, Any]] | None = None, **more: Any) -> Space:
    """Two stages that fit, with what is changed."""
    one = {"depth": [2], "width": {"low": 8, "high": 16}, "body": ["c3"], "down": ["c3"]}
    table = {
        "forms": ["strided"], "stage_dilations": [2, 2], "activations": ["relu"], "heads": ["fc"],
        "last_width": {"low": 16, "high": 16}, "stages": [one | change for change in stages or [{}, {}]], **more,
    }  # fmt: skip
    return Space.model_validate(table)


@pytest.mark.parametrize(
    ("stages", "more", "message"),
    [
        ([{"down": ["+c3"]}, {}], {}, "stage 1: '\\+c3' ends a stage by stride or dilation: take the \\+ off"),
        ([{}, {"down": ["%c3"]}], {"forms": ["dilated"]}, "stage 2: '%c3' ends a stage by stride or dilation"),
        ([{}, {"down": ["c3", "%c3"]}], {}, "stage 2: a layer of down is given with and without %"),
        ([{"body": ["2c3g3"]}, {}], {}, "stage 1: the groups of '2c3g3' do not divide the width 8"),
        ([{"down": ["c3g8"]}, {}], {}, "stage 1: the groups of 'c3g8' make it depthwise at the width 8"),
        ([{}, {}], {"forms": ["dilated"], "dilated_widths": 0.01}, "stage 1: dilated_widths makes two widths equal"),
        ([{"stem": ["sep3_5"]}, {}], {"input": [3, 32, 32]}, "stem: the 2 kernels of 'sep3_5' do not divide"),
        ([{}, {}], {"stem_stride": 3, "input": [3, 32, 32]}, "stem_stride 3 does not divide images of 32x32 pixels"),
    ],
)
def test_what_does_not_fit_is_named(stages: list[dict[str, Any]], more: dict[str, Any], message: str) -> None:
    space()
    with pytest.raises(ValueError, match=message):
        space(stages=stages, **more)


def test_the_last_layer_of_the_last_stage_may_add_its_input() -> None:
    assert space(stages=[{}, {"down": ["+c3", "pw"]}]).stages[1].down == ["+c3", "pw"]
