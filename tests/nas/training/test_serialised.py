"""Pipelines as tables, and made from them."""

from __future__ import annotations

import json
import warnings
from typing import Any

import albumentations as A
import numpy as np
import pytest

from constraints.errors import UnusableInputError
from nas.training.serialised import MOST_BYTES, from_table, leaves, names, to_table

PIPELINE = [
    A.HorizontalFlip(p=0.5),
    A.ShiftScaleRotate(shift_limit=0.1, scale_limit=0.1, rotate_limit=10, p=0.7),
    A.OneOf([A.Sequential([A.ColorJitter()]), A.SomeOf([A.Blur(), A.GridDistortion()], n=1)], p=0.9),
    A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=(8, 8), fill=(1.0, 2.0, 3.0), p=0.5),
]


def node(name: str, **settings: Any) -> dict[str, Any]:
    return {"__class_fullname__": name, "p": 1.0, **settings}


def test_what_is_made_from_a_table_does_the_same() -> None:
    pipeline = A.Compose(PIPELINE)
    table = json.loads(json.dumps(to_table(pipeline)))
    made = from_table(table)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for one in (pipeline, made):
        one.set_random_seed(3)
    for _ in range(20):
        np.testing.assert_array_equal(pipeline(image=image)["image"], made(image=image)["image"])
    assert to_table(made) == table


def test_the_parts_by_name() -> None:
    found = ["HorizontalFlip", "ShiftScaleRotate", "ColorJitter", "Blur", "GridDistortion", "CoarseDropout"]
    assert names(to_table(A.Compose(PIPELINE))) == found
    assert [type(leaf).__name__ for leaf in leaves(A.Compose(PIPELINE))] == found


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (3, "no transform: 3: "),
        (node("Compose", transforms=3), "no list of transforms: 3: "),
        (node("Compose", transforms=[{}]), "no transform of albumentations' own: None: "),
        (node("Compose", transforms=[node("os.system")]), "no transform of albumentations' own: 'os.system'"),
        (node("Compose", transforms=[node("Lambda")]), "no transform of albumentations' own: 'Lambda'"),
        (node("Compose", transforms=[node("BboxParams")]), "no transform of albumentations' own: 'BboxParams'"),
        (node("Compose", transforms=[node("TextImage", font_path="/dev/zero")]), "TextImage reads files"),
        (node("Compose", transforms=[node("FDA", reference_images=["/etc/passwd"])]), "FDA reads files"),
        (node("Compose", transforms=[node("HorizontalFlip", p=2)]), "no albumentations pipeline: "),
        (node("Compose", transforms=[], bbox_params={"format": "coco"}), "Compose takes bbox_params"),
        (node("HorizontalFlip"), "no albumentations pipeline: HorizontalFlip: put it into a Compose"),
        (node("Compose", transforms=[], x="x" * MOST_BYTES), "the pipeline's settings take over 1,000,000 bytes"),
    ],
)
def test_a_table_from_anywhere_makes_albumentations_own_transforms_alone(table: Any, message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        from_table(table)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    old = A.CoarseDropout(max_holes=1)


class Mine(A.ImageOnlyTransform):  # type: ignore[misc]  # albumentations has no types
    """A transform that a table cannot hold: its code is not in it."""

    def apply(self, img: np.ndarray, *args: Any, **params: Any) -> np.ndarray:
        return 255 - img


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Mine(), "Mine is no transform that a study can keep"),
        (A.Lambda(name="x"), "Lambda is no transform that a study can keep"),
        (old, "CoarseDropout ignores max_holes, unknown to the installed albumentations"),
    ],
    ids=["own", "lambda", "old"],
)
def test_what_a_table_would_not_hold_is_refused(part: A.BasicTransform, message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        to_table(A.Compose([A.OneOf([part])]))
