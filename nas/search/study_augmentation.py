"""The augmentation of a study: the default, the one asked for, and the one that the study stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas.training import augmentation
from nas.training.augmentation import Augmentation
from nas.training.recipes import Recipe
from nas.training.serialised import check

if TYPE_CHECKING:
    from nas.training.decoded import Dataset

MIRRORING = frozenset({"HorizontalFlip", "Flip", "D4", "SquareSymmetry", "Transpose"})
"""Transforms of albumentations that mirror left and right, or may."""


def usual_augmentation(recipe: Recipe) -> Augmentation:
    """The default augmentation; it mirrors every image where the recipe's alternating flip mirrors in addition."""
    return augmentation.shipped(augmentation.DEFAULT, {"flip": 1} if recipe.alternating_flip else {})


def asked_augmentation(asked: str, dataset: Dataset | None) -> Augmentation:
    """The augmentation that is asked for, tried on images like those of the data if these are known."""
    from nas.user_augmentation import SHAPE, read_augmentation

    if dataset is None:
        return read_augmentation(asked, shape=SHAPE)
    shape, mean = facts_of(dataset)
    return read_augmentation(asked, shape=shape, mean=mean)


def facts_of(dataset: Dataset) -> tuple[tuple[int, ...], list[float]]:
    """Height, width and channels of the images, and each channel's mean (0 to 1) over the training part."""
    from nas.training.splits import channel_statistics

    mean, _ = channel_statistics(dataset.train_images, dataset.split().train)
    return tuple(dataset.train_images.shape[1:]), [float(value) for value in mean]


def kept_augmentation(table: Any) -> Augmentation:
    """The augmentation that a study stores; raises one of MALFORMED for anything else.

    Raises UnusableInputError for a pipeline that this release does not have.
    """
    often = {str(name): float(value) for name, value in table["probabilities"].items()}
    name, transform = str(table["name"]), table.get("transform")
    if transform is None:
        augmentation.shipped(name, often)
    else:
        check(transform)  # a storage is not trusted: only albumentations' own transforms are created
    return Augmentation(name=name, probabilities=often, transform=transform)
