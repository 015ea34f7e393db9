from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import optuna
import pytest

from nas.search.engine import Placement
from nas.training import datasets
from nas.training.datasets import Split
from nas.training.feed import Feed

T = TypeVar("T")


@dataclass
class HereEngine:
    """An engine of this process: what is submitted is done at once."""

    slots: int = 1
    ended: bool = False

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(function(Placement(device="cpu", threads=1), *args))
        except Exception as error:
            future.set_exception(error)
        return future

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        assert all(future.done() for future in futures)

    def shutdown(self) -> None:
        self.ended = True


@pytest.fixture
def engine() -> HereEngine:
    return HereEngine()


@pytest.fixture(scope="session")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Feed:
    """A few of the handwritten digits, so that an epoch takes a fraction of a second."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = tmp_path_factory.mktemp("data")
    dataset = datasets.load("digits", cache=folder)
    whole = datasets.split(dataset.train_labels, seed=0)
    part = Split(train=whole.train[:256], validation=whole.validation[:64])
    return Feed(dataset=dataset, split=part, folder=folder / "epochs")


@pytest.fixture(scope="session")
def whole_feed(feed: Feed) -> Feed:
    """The same digits as a confirmation sees them: all training images, and the test set to judge them by."""
    dataset = replace(
        feed.dataset, train_images=feed.dataset.train_images[:256], train_labels=feed.dataset.train_labels[:256]
    )
    return Feed(dataset=dataset, split=None, folder=feed.folder)
