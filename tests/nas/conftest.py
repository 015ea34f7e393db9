"""What tests of several packages of nas use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nas.training.feed import Feed


@pytest.fixture(scope="session")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with this CPU's timing alone, to be copied: to measure it takes a quarter of a second."""
    from nas.training.cpu_timing import timing

    folder = tmp_path_factory.mktemp("timed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        timing()
    return folder


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose each candidate of a launch among a few networks: for tests that are not about which is chosen."""
    monkeypatch.setattr("nas.space.new_networks.PROXY_DRAWS", 32)
    monkeypatch.setattr("nas.space.best_draws.ROUNDS", 1)


@pytest.fixture(scope="session")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Feed:
    """A few of the handwritten digits, so that an epoch takes a fraction of a second."""
    import optuna

    from nas.training import datasets, splits
    from nas.training.feed import Feed

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = tmp_path_factory.mktemp("data")
    dataset = datasets.load("digits", cache=folder)
    whole = splits.split(dataset.train_labels, seed=0)
    part = splits.Split(train=whole.train[:64], validation=whole.validation[:32])
    return Feed(dataset=dataset, split=part, folder=folder / "epochs")
