from __future__ import annotations

from dataclasses import replace

import pytest

from nas.training.feed import Feed
from tests.engines import HereEngine


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
