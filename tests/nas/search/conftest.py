from __future__ import annotations

from dataclasses import replace

import optuna
import pytest

from nas.training import datasets, splits
from nas.training.feed import Feed
from nas.training.splits import Split
from tests.engines import HereEngine


@pytest.fixture
def engine() -> HereEngine:
    return HereEngine()


@pytest.fixture(scope="session")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Feed:
    """A few of the handwritten digits, so that an epoch takes a fraction of a second."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = tmp_path_factory.mktemp("data")
    dataset = datasets.load("digits", cache=folder)
    whole = splits.split(dataset.train_labels, seed=0)
    part = Split(train=whole.train[:64], validation=whole.validation[:32])
    return Feed(dataset=dataset, split=part, folder=folder / "epochs")


@pytest.fixture(scope="session")
def whole_feed(feed: Feed) -> Feed:
    """The same digits as a confirmation sees them: all training images, and the test set to evaluate on."""
    dataset = replace(
        feed.dataset, train_images=feed.dataset.train_images[:128], train_labels=feed.dataset.train_labels[:128]
    )
    return Feed(dataset=dataset, split=None, folder=feed.folder)
