"""Pixels and sizes behind a transform, against arithmetic."""

from __future__ import annotations

from typing import Any

import pytest

from constraints.augmentation_scale import pixels, rescaled, resized
from constraints.augmentation_steps import Transform

GREY = (0.25, 0.5, 1.0)


def step(kind: str, *, is_certain: bool = True, **settings: Any) -> Transform:
    return Transform(kinds=(kind,), settings=settings, is_certain=is_certain)


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([], (63.75, 127.5, 255.0)),
        ([step("Blur")], (63.75, 127.5, 255.0)),
        ([step("ToFloat")], GREY),
        ([step("ToFloat"), step("FromFloat")], (63.75, 127.5, 255.0)),
        ([step("Normalize", mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.5))], (-0.5, 0.0, 1.0)),
        ([step("Normalize", mean=0.5, std=0.5)], (-0.5, 0.0, 1.0)),
    ],
)
def test_a_pixel_follows_each_scaling(steps: list[Transform], wanted: tuple[float, ...]) -> None:
    scale = pixels(3)
    for one in steps:
        scale = rescaled(scale, one)
    assert scale.of(GREY) == pytest.approx(wanted)
    assert not scale.unknown


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (step("Normalize", is_certain=False), "Normalize before it does not run on every image"),
        (step("Normalize", normalization="min_max"), "Normalize(normalization='min_max') before it goes by each image"),
        (step("Normalize", mean=(0.5, 0.5), std=(1, 1)), "its normalisation has 2 channels, the mean 3"),
    ],
)
def test_what_is_not_known_of_a_scale_is_said(one: Transform, why: str) -> None:
    assert rescaled(pixels(3), one).unknown == why


@pytest.mark.parametrize(
    ("one", "size"),
    [
        (step("Blur"), (32, 24)),
        (step("PadIfNeeded", min_height=40, min_width=8), (40, 24)),
        (step("CenterCrop", height=8, width=9), (8, 9)),
        (step("Resize", size=(64, 48)), (64, 48)),
        (step("RandomCrop", height=None, width=None), (32, 24)),
    ],
)
def test_sizes_follow_what_a_transform_says(one: Transform, size: tuple[int, int]) -> None:
    assert resized((32, 24), one) == size


def test_the_scale_after_code_of_the_users_own_is_not_known() -> None:
    one = Transform(kinds=("Halve", "ImageOnlyTransform"), settings={}, is_certain=True, is_own=True)
    assert rescaled(pixels(3), one).unknown == "the code of Halve before it may change the scale"
    assert rescaled(rescaled(pixels(3), one), step("ToFloat")).unknown  # and stays so
