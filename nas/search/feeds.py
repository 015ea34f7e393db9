"""The images for training and evaluation: a split of the training set for candidates, all of it to confirm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.search.training_way import Training
from nas.training.decoded import Dataset
from nas.training.feed import Feed
from nas.user_folders import user_cache

if TYPE_CHECKING:
    from nas.training.teacher import Teacher


def search_feed(dataset: Dataset, seed: int, way: Training, teacher: Teacher | None = None) -> Feed:
    """The feed of candidates: trained on the training part of the split, evaluated on the validation part."""
    folder, split = user_cache() / "epochs", dataset.split()
    return Feed(dataset=dataset, split=split, folder=folder, seed=seed, teacher=teacher, **way.of_feed())


def confirm_feed(dataset: Dataset, way: Training, teacher: Teacher | None = None) -> Feed:
    """The feed of confirmations: trained on the whole training set, evaluated on the test set."""
    return Feed(dataset=dataset, split=None, folder=user_cache() / "epochs", teacher=teacher, **way.of_feed())
