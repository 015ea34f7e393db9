"""Layers that do not fit their stage, in any form."""

from __future__ import annotations

from typing import Any

import pytest

from constraints.errors import UnusableInputError
from nas.space.space import Space
from nas.space.stage_checks import check_written


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


def test_a_file_may_ask_for_as_many_pairs_of_widths_as_are_counted_in_seconds() -> None:
    wide = {"width": {"low": 8, "high": 8 * 64}}
    check_written(space(stages=[wide, wide]), "mine.toml")
    check_written(space(stages=[{"width": {"low": 8, "high": 8 * 2048}}, {}]), "mine.toml")  # 2,048 times 2
    message = "^mine.toml: stage 1 has 65 widths and what follows it 64: these are more than 4,096 pairs: give one of"
    more = space(stages=[{"width": {"low": 8, "high": 8 * 65}}, wide])
    with pytest.raises(UnusableInputError, match=message):
        check_written(more, "mine.toml")


def test_a_stem_has_an_effect_in_the_first_stage_alone() -> None:
    check_written(space(stages=[{"stem": ["c5"]}, {"stem": ["c3"]}]), "mine.toml")
    message = r"^mine.toml: stages.2.stem: \['c5'\]: the first layer is in stage 1 alone: take the key out$"
    with pytest.raises(UnusableInputError, match=message):
        check_written(space(stages=[{}, {"stem": ["c5"]}]), "mine.toml")
