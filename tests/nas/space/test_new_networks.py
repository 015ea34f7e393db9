"""Draws of networks that are not seen yet."""

from __future__ import annotations

import numpy as np
import pytest

from constraints.rules import parse_all
from nas.space.feasible import FeasiblePart
from nas.space.new_networks import NewNetworks, SpaceExhaustedError
from nas.space.proxy import LinearProxy
from tests.nas.space.counting.test_layer_graph import vector_of


@pytest.fixture(scope="module")
def part() -> FeasiblePart:
    """Seven networks."""
    return FeasiblePart(vector_of().space, parse_all(["params > 0"]))


def test_every_network_is_drawn_before_the_space_is_exhausted(part: FeasiblePart) -> None:
    new, seen = NewNetworks(part), set[str]()
    new.rejected.add("another")
    for _ in range(7):
        text = str(part.space.decode(new.unseen(seen, np.random.default_rng(0))))
        assert text not in seen
        seen.add(text)
    with pytest.raises(SpaceExhaustedError, match="the study holds 6, and 1 broke what is measured"):
        new.unseen(seen, np.random.default_rng(0))


def test_with_a_proxy_the_best_comes_first(part: FeasiblePart) -> None:
    new = NewNetworks(part, LinearProxy({"params": 1.0}))
    assert part.listed is not None
    most = max(part.vector.metric(part.listed, "params"))
    choices = new.best(iter(part.listed), set(), (), climbs=False)
    assert choices is not None
    assert part.judge(choices).metrics.params == most
