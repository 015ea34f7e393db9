"""The augmentation of a study: this release's default, what was asked for, and what a storage says it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from constraints.errors import UnusableInputError
from nas.search.study import MALFORMED
from nas.search.study_augmentation import (
    MIRRORING,
    asked_augmentation,
    facts_of,
    kept_augmentation,
    usual_augmentation,
)
from nas.training import augmentation, recipes
from nas.training.feed import Feed
from nas.training.serialised import to_table

OWN = {"__class_fullname__": "Compose", "transforms": [{"__class_fullname__": "HorizontalFlip", "p": 0.5}]}


def test_a_recipe_that_mirrors_by_turns_begins_with_every_image_mirrored() -> None:
    for epochs, flips in ((8, 0.5), (30, 1.0)):
        recipe = recipes.usual(epochs)
        assert recipe.alternating_flip == (flips == 1.0)
        assert usual_augmentation(recipe).probabilities["flip"] == flips
    still = replace(recipes.usual(30), alternating_flip=False)
    assert usual_augmentation(still) == augmentation.shipped("assignment")


@pytest.mark.parametrize("name", ["assignment", "seed", "none"])
def test_a_shipped_one_is_stored_and_read_back(name: str) -> None:
    shipped = augmentation.shipped(name)
    assert kept_augmentation(shipped.as_table()) == shipped


def test_a_users_one_is_stored_and_read_back() -> None:
    mine = augmentation.Augmentation(name="own.py:mine", transform=OWN)
    assert kept_augmentation(mine.as_table()) == mine


@pytest.mark.parametrize("table", [None, [], "assignment", 7, {}, {"name": "assignment"}, {"probabilities": {}}])
def test_what_is_no_augmentation_is_malformed(table: Any) -> None:
    with pytest.raises(MALFORMED):
        kept_augmentation(table)


@pytest.mark.parametrize("share", ["x", None, [], {}])
def test_what_is_no_number_is_malformed(share: Any) -> None:
    with pytest.raises(MALFORMED):
        kept_augmentation({"name": "assignment", "probabilities": {"flip": share}})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "asignment", "probabilities": {}}, r"no such augmentation: 'asignment': did you mean assignment\?"),
        ({"name": "none", "probabilities": {"flip": 1}}, "augmentation none: no such option: 'flip': it has none"),
        ({"name": "seed", "probabilities": {"flip": 1.5}}, "no probability: 'flip=1.5': give 0 to 1"),
        ({"name": "seed", "probabilities": {"flip": -0.1}}, "no probability: 'flip=-0.1': give 0 to 1"),
        ({"name": "seed", "probabilities": {"flip": float("nan")}}, "no probability: 'flip=nan': give 0 to 1"),
        ({"name": "x", "probabilities": {}, "transform": {"__class_fullname__": "os.system"}}, "no transform of alb"),
        ({"name": "x", "probabilities": {}, "transform": "flip"}, "no transform: 'flip'"),
    ],
)
def test_a_storage_is_not_trusted(table: dict[str, Any], message: str) -> None:
    with pytest.raises(UnusableInputError, match=message):
        kept_augmentation(table)


@pytest.mark.parametrize("share", [0, 0.0, 1, 1.0])
def test_never_and_always_are_probabilities(share: float) -> None:
    table = {"name": "assignment", "probabilities": {"flip": share}}
    assert kept_augmentation(table).probabilities == {"flip": float(share)}


def test_a_shipped_one_is_asked_for_by_name_whatever_the_images(feed: Feed) -> None:
    for dataset in (None, feed.dataset):
        assert asked_augmentation("seed,flip=0", dataset) == augmentation.shipped("seed", {"flip": 0})
        with pytest.raises(UnusableInputError, match="no such augmentation: 'sed'"):
            asked_augmentation("sed", dataset)


def test_the_facts_are_those_of_the_images_that_are_trained_on(feed: Feed) -> None:
    dataset = feed.dataset
    shape, mean = facts_of(dataset)
    assert shape == (32, 32, 3)
    pixels = dataset.train_images[dataset.split().train].astype(np.float64) / 255
    assert mean == pytest.approx(pixels.mean(axis=(0, 1, 2)).tolist(), abs=1e-6)
    everything = dataset.train_images.astype(np.float64) / 255
    assert mean != pytest.approx(everything.mean(axis=(0, 1, 2)).tolist(), abs=1e-9)


def test_every_transform_that_mirrors_is_known_to() -> None:
    """Of albumentations' own, by what they do to an image that is not symmetric."""
    A = pytest.importorskip("albumentations")
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    for name in sorted(MIRRORING & set(dir(A))):
        pipeline = A.Compose([getattr(A, name)(p=1.0)], seed=0)
        results = [pipeline(image=image)["image"] for _ in range(40)]
        turned = [np.rot90(image, turns) for turns in range(4)]
        assert any(not any(np.array_equal(one, other) for other in turned) for one in results), name
        assert kept_augmentation({"name": "own", "probabilities": {}, "transform": to_table(pipeline)})
