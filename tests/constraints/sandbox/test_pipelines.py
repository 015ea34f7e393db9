"""Albumentations pipelines inside what a user's name leads to."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A

from constraints.augmentation_steps import WRITTEN
from constraints.sandbox.named_pipelines import _no_pipeline
from constraints.sandbox.pipelines import of_another_library, of_others_in, pipelines_in, remembered
from constraints.sandbox.standins import StandIns

FLIP = A.Compose([A.HorizontalFlip()])
OTHER = A.Compose([A.Blur()])


def closure() -> Any:
    inner = FLIP
    return lambda image: inner(image=np.array(image))["image"]


def by_global_name(image: Any) -> Any:
    return FLIP(image=image)["image"]


class Holder:
    own = FLIP

    def __init__(self) -> None:
        self.dataset = {"transform": OTHER}

    def apply(self, image: Any) -> Any:
        return self.own(image=image)


@pytest.mark.parametrize(
    ("thing", "ways"),
    [
        (FLIP, [""]),
        ([A.HorizontalFlip(), A.Blur()], [""]),
        (FLIP.to_dict(), [""]),
        ([FLIP, OTHER], ["[0]", "[1]"]),
        ({"train": FLIP, "test": OTHER}, ["['train']", "['test']"]),
        (closure(), [" with inner"]),
        (by_global_name, [" with FLIP"]),
        (Holder(), [".own", ".dataset['transform']"]),
        (Holder, [".own"]),
        (Holder().apply, [".__self__.own", ".__self__.dataset['transform']"]),
        (functools.partial(by_global_name, 3), ["[0] with FLIP"]),
        (np.array, []),
        (3, []),
    ],
)
def test_a_pipeline_is_found_in_what_holds_it(thing: Any, ways: list[str]) -> None:
    assert [way for way, _ in pipelines_in(thing)] == ways


def test_a_compose_of_torchvisions_is_distinguished_and_looked_into() -> None:
    from torchvision import transforms

    assert [way for way, _ in pipelines_in(transforms.Compose([transforms.Lambda(closure())]))] == [
        ".transforms[0].lambd with inner"
    ]
    assert not list(pipelines_in(transforms.Compose([transforms.ToTensor()])))
    assert of_another_library(transforms.Compose([])) == "torchvision's Compose"
    assert not of_another_library(FLIP)


def test_transforms_of_other_libraries_with_a_probability_are_none() -> None:
    from torch import nn
    from torchvision import transforms
    from torchvision.transforms import v2

    class Own(v2.Transform):  # type: ignore[misc]  # torchvision has no types
        pass

    flips = [transforms.RandomHorizontalFlip(), v2.RandomHorizontalFlip()]
    for thing in (transforms.Compose(flips), v2.Compose(flips), flips[1], nn.Dropout(), Own()):
        assert not list(pipelines_in(thing))
    assert [way for way, _ in pipelines_in(transforms.Compose([flips[0], FLIP]))] == [".transforms[1]"]
    assert of_another_library(Own()) == "torchvision's Transform"


def test_what_holds_transforms_of_another_library_says_where() -> None:
    from torch import nn
    from torchvision.transforms import v2

    flip = v2.RandomHorizontalFlip()
    both = {"train": v2.Compose([flip]), "test": 3}
    assert list(of_others_in(both)) == [("['train']", "torchvision's Compose")]
    assert [kind for _, kind in of_others_in(nn.Sequential(flip))] == ["torchvision's RandomHorizontalFlip"]
    assert not list(of_others_in([FLIP, 3, v2.Compose]))


@pytest.fixture
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("quiet")
def test_a_coarse_dropout_remembers_how_it_was_written() -> None:
    with remembered():
        named = A.CoarseDropout(max_holes=1, max_height=16, fill_value=3)
        placed = A.CoarseDropout(1, 16, 16, 1, 16, 16, mask_fill_value=None)
        with pytest.raises(ValueError, match="num_holes_range"):
            A.CoarseDropout(num_holes_range=(0, 0))
    assert vars(named)[WRITTEN].as_version_1()["max_height"] == 16
    assert vars(named)[WRITTEN].refused == ""
    assert vars(placed)[WRITTEN].as_version_1()["min_width"] == 16
    assert vars(placed)[WRITTEN].refused == (
        "p = 16: input should be less than or equal to 1, and 5 more of its arguments are wrong"
    )
    assert WRITTEN not in vars(A.CoarseDropout())


def test_what_stands_in_for_another_library_is_named_as_its_class() -> None:
    absent = StandIns()
    absent.allow("imgaug")
    thing = absent.part("imgaug.augmenters.Sequential()")
    assert of_another_library(thing) == "imgaug's Sequential"
    assert pipelines_in({"train": thing}) == []


def test_a_pipeline_without_albumentations_names_what_to_install() -> None:
    absent = StandIns()
    absent.allow("albumentations")
    error = _no_pipeline("make()", absent.part("albumentations.Compose()"))
    assert str(error) == (
        "not installed: 'albumentations.Compose()', which 'make()' is: run uv run --with albumentations search.py ..."
    )
