"""What tests of several packages of nas use."""

from __future__ import annotations

from pathlib import Path

import pytest


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
