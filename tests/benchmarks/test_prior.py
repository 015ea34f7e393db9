"""How proxies rank the networks of a table."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import prior
from benchmarks.curves import read


@pytest.mark.parametrize(("task", "is_foreign"), [("cifar10", False), ("small16", True)])
def test_another_task_is_also_ranked_by_the_proxy_as_it_ships(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], task: str, is_foreign: bool
) -> None:
    """It was fitted to the table of CIFAR-10, on which its rank correlation would say nothing."""
    monkeypatch.setattr(prior, "searched", list)  # seconds, and not what is tested
    monkeypatch.setattr(sys, "argv", ["prior", "--task", task, "--json"])
    prior.main()
    found = json.loads(capsys.readouterr().out)
    ranked = found["rank_correlation"]
    assert found["candidates"] == len(read(task)) == 64
    assert ("the proxy as it ships" in ranked) is is_foreign
    assert ranked["the proxy, unseen"] > 0.5
    assert not is_foreign or ranked["the proxy as it ships"] > ranked["whitened"], "all features rank better than one"
