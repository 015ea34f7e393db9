"""What candidates and confirmations are trained and evaluated on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nas.search.feeds import confirm_feed, search_feed
from nas.search.training_way import Training
from nas.training import augmentation
from nas.training.decoded import Dataset
from nas.training.feed import Feed


@pytest.fixture
def dataset(feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return feed.dataset


WAY = Training.asked(None, "assignment,flip=0.25", 8)


def test_candidates_never_see_the_test_set_nor_train_on_what_they_are_evaluated_on(dataset: Dataset) -> None:
    found = search_feed(dataset, 3, WAY)
    images, labels = found.evaluation
    split = dataset.split()
    assert found.seed == 3
    assert len(found.labels) == len(split.train)
    assert np.array_equal(images, dataset.train_images[split.validation])
    assert np.array_equal(labels, dataset.train_labels[split.validation])
    assert not set(split.train) & set(split.validation)


def test_confirmations_train_on_all_images_and_are_evaluated_on_the_test_set(dataset: Dataset) -> None:
    found = confirm_feed(dataset, WAY)
    images, labels = found.evaluation
    assert len(found.labels) == len(dataset.train_labels) > len(search_feed(dataset, 0, WAY).labels)
    assert np.array_equal(images, dataset.test_images)
    assert np.array_equal(labels, dataset.test_labels)


def test_both_augment_in_the_same_way_in_the_users_cache(dataset: Dataset, tmp_path: Path) -> None:
    for found in (search_feed(dataset, 0, WAY), confirm_feed(dataset, WAY)):
        assert found.augmentation == "assignment"
        assert found.probabilities == {**augmentation.probabilities("assignment"), "flip": 0.25}
        assert found.transform is None
        assert found.folder.is_relative_to(tmp_path)
        assert found.teacher is None


def test_a_users_pipeline_is_in_both(dataset: Dataset) -> None:
    table = {"__class_fullname__": "Compose", "transforms": []}
    way = replace(WAY, augmentation=augmentation.Augmentation(name="own.py:mine", transform=table))
    assert search_feed(dataset, 0, way).transform == confirm_feed(dataset, way).transform == table
