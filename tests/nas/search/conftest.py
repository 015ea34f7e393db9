from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import pytest

from nas.search.study import TARGET, VALIDATION_IMAGES
from nas.training.feed import Feed
from tests.engines import HereEngine
from tests.nas.search.scripted import TARGET_ACCURACY


@pytest.fixture
def engine() -> HereEngine:
    return HereEngine()


@pytest.fixture(scope="session")
def whole_feed(feed: Feed) -> Feed:
    """The same digits as a confirmation sees them: all training images, and the test set to evaluate on."""
    dataset = replace(
        feed.dataset, train_images=feed.dataset.train_images[:128], train_labels=feed.dataset.train_labels[:128]
    )
    return Feed(dataset=dataset, split=None, folder=feed.folder)


@pytest.fixture
def whole(whole_feed: Feed) -> Feed:
    """Nothing trains on it; a test accuracy counts as that of 10,000 images."""
    return replace(whole_feed, dataset=replace(whole_feed.dataset, test_labels=np.zeros(10_000, dtype=np.int64)))


@pytest.fixture
def study() -> optuna.Study:
    """A study that seeks networks over TARGET_ACCURACY."""
    made = optuna.create_study(direction="maximize")
    made.set_user_attr(VALIDATION_IMAGES, 5000)
    made.set_user_attr(TARGET, TARGET_ACCURACY)
    return made
