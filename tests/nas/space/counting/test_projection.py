"""A graph without what is not tracked: as many networks, fewer words and nodes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add
from typing import Any

import pytest

from constraints.rules import parse_all
from nas.space.counting.layer_graph import Node, over_paths
from nas.space.counting.projection import Projection
from nas.space.counting.tracked_metrics import track
from tests.nas.space.counting.test_layer_graph import SPACES, STAGE, WIDER, vector_of


def projection(*expressions: str, form: int = 0, **changes: Any) -> Projection:
    tracked = track(vector_of(**changes), parse_all(expressions or ["params >= 0"]), form)
    assert tracked is not None
    return Projection(tracked)


def networks(one: Projection) -> int:
    """Paths from the start to the end, each counted once for every network that its words represent."""
    edges = [edge for several in one.edges.values() for edge in several]
    found = over_paths(edges, one.start, 1, lambda n, edge: n * sum(word.times for word in edge.words), add)
    return found[one.end]


@pytest.mark.parametrize("expressions", [["params >= 0"], ["convs >= 2"], ["stages == 2", "macs < 100k"]])
@pytest.mark.parametrize(("changes", "number"), SPACES)
def test_it_represents_every_network(changes: dict[str, Any], number: int, expressions: list[str]) -> None:
    assert networks(projection(*expressions, **changes)) == number


def test_residuals_that_add_nothing_tracked_are_one_node() -> None:
    stages = [STAGE | {"depth": [4], "residual": [False, True, "scaled"]}]
    alike, apart = projection("convs >= 0", stages=stages), projection("params >= 0", stages=stages)
    assert {node.residual for node in alike.edges} == {0}  # a sum adds no convolution
    assert {node.residual for node in apart.edges} == {0, 2}  # a scale is a parameter a channel
    assert networks(alike) == networks(apart) == 9 * 3


def test_widths_that_add_nothing_tracked_are_one_node() -> None:
    stages = [STAGE | {"width": WIDER}]
    alike, apart = projection("convs >= 0", stages=stages), projection("params >= 0", stages=stages)
    assert {node.width for node in alike.edges} == {0}
    assert {node.width for node in apart.edges} == {0, 1}
    assert networks(alike) == networks(apart) == 2 * 7


def test_layers_that_do_the_same_are_one_word() -> None:
    def words(*expressions: str, layer: int) -> Sequence[int]:
        one = projection(*expressions, stages=[STAGE | {"depth": [3], "body": ["c3", "c5", "c7", "pw"]}])
        (edge,) = one.edges[Node(1, layer, 0)]
        return sorted(word.times for word in edge.words)

    assert words("convs >= 3", layer=2) == [1, 3]  # a 1x1 convolution is of no stage by itself, the others are
    assert words("receptive_field > 3", layer=2) == [1, 1, 1, 1]
    assert words("params >= 0", layer=2) == [1, 1, 1, 1]
    assert words("convs >= 3", layer=1) == [2]  # the stem, then plain or residual
