"""The networks of one form as paths: each of them once, in order, layers that do the same together."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from constraints.rules import parse_all
from nas.space.bulk_metrics import Vector
from nas.space.counting.layer_graph import FIRST, LAST, Node
from nas.space.counting.projection import Projection
from nas.space.counting.tracked_metrics import track
from nas.space.space import Space

ONE = {"low": 8, "high": 8, "step": 8}
STAGE = {"depth": [2, 3], "width": ONE, "body": ["c3", "c5", "pw"], "down": ["c3"], "residual": [False, True]}


def chain(*expressions: str, form: int = 0, **changes: Any) -> Projection:
    table: dict[str, Any] = {
        "forms": ["strided"], "activations": ["relu"], "heads": ["fc"], "stage_dilations": [2], "last_width": ONE,
        "stages": [STAGE],
    }  # fmt: skip
    space = Space.model_validate(table | changes)
    tracked = track(Vector(space), parse_all(expressions or ["params >= 0"]), form)
    assert tracked is not None
    return Projection(tracked)


def networks(one: Projection) -> int:
    """Paths from the start to the end, each counted once for every network that its words describe."""
    found = Counter({one.start: 1})
    for place, edges in one.edges.items():
        for edge in edges:
            found[edge.target] += found[place] * sum(word.times for word in edge.words)
    return found[one.end]


WIDER = {"low": 8, "high": 16, "step": 8}


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({}, 1 + 3 * 2),  # the stem alone, or with one of three layers, plain or residual
        ({"stages": [STAGE | {"depth": [2]}]}, 1),
        ({"stages": [STAGE | {"depth": [3]}]}, 3 * 2),
        ({"stages": [STAGE | {"depth": [4]}]}, 3 * 3 * 2),
        ({"stages": [STAGE | {"down": ["c3", "sep3"]}]}, 2 * 7),
        ({"stages": [STAGE | {"width": WIDER}], "last_width": WIDER, "heads": ["fc", "conv", "gap"]}, 2 * 7 * 2 * 3),
        # A stage but the first has no stem: one or two of three layers, plain or residual.
        ({"stages": [STAGE, STAGE], "stage_dilations": [2, 2]}, 7 * (3 + 3 * 3) * 2),
    ],
)
def test_every_network_is_one_path(changes: dict[str, Any], number: int) -> None:
    assert networks(chain(**changes)) == number


def test_residuals_that_change_what_is_tracked_have_places_of_their_own() -> None:
    stages = [STAGE | {"depth": [4], "residual": [False, True, "scaled"]}]
    alike, apart = chain("convs >= 0", stages=stages), chain("params >= 0", stages=stages)
    kinds = {place.residual for place in alike.edges}
    assert kinds == {0}  # a sum adds no convolution
    assert {place.residual for place in apart.edges} == {0, 2}  # a scale is a parameter a channel
    assert networks(alike) == networks(apart) == 9 * 3


def test_places_come_in_the_order_of_paths() -> None:
    one = chain(stages=[STAGE, STAGE], stage_dilations=[2, 2])
    places = list(one.edges)
    assert places == sorted(places)
    assert places[0] == one.start == Node(0, FIRST, 0)
    assert one.end == Node(4, FIRST, 0) > places[-1]
    assert all(edge.source < edge.target for edges in one.edges.values() for edge in edges)
    assert Node(1, LAST, 0) in one.edges


def test_layers_that_do_the_same_are_one_word() -> None:
    def words(*expressions: str) -> Sequence[int]:
        one = chain(*expressions, stages=[STAGE | {"depth": [3], "body": ["c3", "c5", "c7", "pw"]}])
        (edge,) = one.edges[Node(1, 2, 0)]
        return sorted(word.times for word in edge.words)

    assert words("convs >= 3") == [2, 6]  # a 1x1 convolution is of no stage by itself, the others are
    assert words("receptive_field > 3") == [2, 2, 2, 2]
    assert words("params >= 0") == [2, 2, 2, 2]
