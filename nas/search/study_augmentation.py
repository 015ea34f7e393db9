"""The augmentation of a study: the usual one, the one that is asked for, and the one that the study keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas.training import augmentation
from nas.training.augmentation import Augmentation
from nas.training.recipes import Recipe
from nas.training.serialised import check

if TYPE_CHECKING:
    from nas.training.decoded import Dataset

MIRRORING = frozenset({"HorizontalFlip", "Flip", "D4", "SquareSymmetry", "Transpose"})
"""Transforms of albumentations after which left is right, or may be."""


def usual_augmentation(recipe: Recipe) -> Augmentation:
    """What augments where nothing is asked for: beside a flip that alternates, each image is mirrored once more."""
    return augmentation.shipped(augmentation.DEFAULT, {"flip": 1} if recipe.alternating_flip else {})


def asked_augmentation(asked: str, dataset: Dataset | None) -> Augmentation:
    """The augmentation that is asked for, tried on images like those of the data where that is known."""
    from nas.user_augmentation import SHAPE, read_augmentation

    if dataset is None:
        return read_augmentation(asked, shape=SHAPE)
    shape, mean = facts_of(dataset)
    return read_augmentation(asked, shape=shape, mean=mean)


def facts_of(dataset: Dataset) -> tuple[tuple[int, ...], list[float]]:
    """Height, width and channels of the images, and each channel's mean over those that a search trains on, 0 to 1."""
    from nas.training.splits import channel_statistics

    mean, _ = channel_statistics(dataset.train_images, dataset.split().train)
    return tuple(dataset.train_images.shape[1:]), [float(value) for value in mean]


def kept_augmentation(table: Any) -> Augmentation:
    """The augmentation that a study keeps; one of MALFORMED where it is something else."""
    often = {str(name): float(value) for name, value in table["probabilities"].items()}
    transform = table.get("transform")
    if transform is not None:
        check(transform)  # whatever a storage says, only albumentations' own transforms are made
    return Augmentation(name=str(table["name"]), probabilities=often, transform=transform)
