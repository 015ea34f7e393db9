"""The networks of one form as paths: each of them once, in order, with what its layers add."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from nas.space.analytic import metrics
from nas.space.bulk_metrics import Vector
from nas.space.counting.layer_graph import FIRST, LAST, LayerGraph, Node, over_paths
from nas.space.layer_tables import ADDED
from nas.space.space import Space, load
from nas.space.uniform_draws import enumerate_all

ONE = {"low": 8, "high": 8, "step": 8}
WIDER = {"low": 8, "high": 16, "step": 8}
STAGE = {"depth": [2, 3], "width": ONE, "body": ["c3", "c5", "pw"], "down": ["c3"], "residual": [False, True]}


def vector_of(**changes: Any) -> Vector:
    table: dict[str, Any] = {
        "forms": ["strided"], "activations": ["relu"], "heads": ["fc"], "stage_dilations": [2], "last_width": ONE,
        "stages": [STAGE],
    }  # fmt: skip
    return Vector(Space.model_validate(table | changes))


def graph(**changes: Any) -> LayerGraph:
    (only,) = vector_of(**changes).graphs
    return only


SPACES: list[tuple[dict[str, Any], int]] = [
    ({}, 1 + 3 * 2),  # the stem alone, or with one of three layers, plain or residual
    ({"stages": [STAGE | {"depth": [2]}]}, 1),
    ({"stages": [STAGE | {"depth": [3]}]}, 3 * 2),
    ({"stages": [STAGE | {"depth": [4]}]}, 3 * 3 * 2),
    ({"stages": [STAGE | {"down": ["c3", "sep3"]}]}, 2 * 7),
    ({"stages": [STAGE | {"width": WIDER}], "last_width": WIDER, "heads": ["fc", "conv", "gap"]}, 2 * 7 * 2 * 3),
    # A stage but the first has no stem: one or two of three layers, plain or residual.
    ({"stages": [STAGE, STAGE], "stage_dilations": [2, 2]}, 7 * (3 + 3 * 3) * 2),
]


@pytest.mark.parametrize(("changes", "number"), SPACES)
def test_every_network_is_one_path(changes: dict[str, Any], number: int) -> None:
    assert graph(**changes).size == number


@pytest.mark.parametrize(("changes", "number"), SPACES)
def test_what_the_edges_choose_is_every_network_once_and_what_they_add_its_metrics(
    changes: dict[str, Any], number: int
) -> None:
    vector = vector_of(**changes)
    (one,) = vector.graphs
    paths: dict[Node, list[tuple[dict[int, int], Counter[str]]]] = {one.start: [({}, Counter(receptive_field=1))]}
    for edge in one.edges:
        for chosen, totals in paths[edge.source]:
            for word in range(edge.words):
                choices = chosen | dict(edge.chosen) | ({edge.slot.word: word} if edge.slot else {})
                adds = Counter({name: int(edge.adds(name)[word]) for name in ADDED})
                paths.setdefault(edge.target, []).append((choices, totals + adds))
    rows = np.zeros((number, len(vector.space.columns)), dtype=np.int64)
    for row, (choices, totals) in zip(rows, paths[one.end], strict=True):
        row[list(choices)] = list(choices.values())
        wanted = metrics(vector.space.decode(vector.choices(row))).as_dict()
        assert {name: totals[name] for name in ADDED} == {name: wanted[name] for name in ADDED}
    assert np.unique(rows, axis=0).tolist() == enumerate_all(vector).tolist()


def test_networks_by_the_depth_of_a_stage() -> None:
    one = graph(stages=[STAGE, STAGE | {"depth": [4, 2]}], stage_dilations=[2, 2])
    second = 3**3 * 2 + 3 * 2  # three body layers, or one
    assert one.sizes_by_depth == ((1 * second, 6 * second), (7 * 3**3 * 2, 7 * 3 * 2))


def test_every_form_has_as_many_networks() -> None:
    sizes = [one.size for one in Vector(load("assignment")).graphs]
    # Widths of stages 1 to 4 and of the last map, words of two layers (of the first stage one), of the last, residuals.
    words, first = 7 * 7 * 3 * 2, 1 * 7 * 3 * 2
    assert sizes == [3 * first * 6 * 9 * 11 * words**3 * 7 * 3] * 3  # three heads


def test_nodes_come_in_the_order_of_paths() -> None:
    one = graph(stages=[STAGE, STAGE], stage_dilations=[2, 2])
    sources = [edge.source for edge in one.edges]
    assert sources == sorted(sources)
    assert sources[0] == one.start == Node(0, FIRST, 0)
    assert one.end == Node(4, FIRST, 0) > sources[-1]
    assert all(edge.source < edge.target for edge in one.edges)
    assert Node(1, LAST, 0) in sources


def test_values_over_paths_forwards_and_backwards() -> None:
    class Arrow:
        def __init__(self, source: int, target: int, length: int) -> None:
            self.source, self.target, self.length = Node(source, FIRST, 0), Node(target, FIRST, 0), length

    arrows = [Arrow(0, 1, 5), Arrow(0, 2, 1), Arrow(1, 3, 1), Arrow(2, 3, 2), Arrow(2, 3, 7)]
    first, last = arrows[0].source, arrows[-1].target

    def shortest(start: Node, *, backwards: bool) -> list[int]:
        found = over_paths(arrows, start, 0, lambda n, arrow: n + arrow.length, min, backwards=backwards)
        return [found[node] for node in sorted(found)]

    assert shortest(first, backwards=False) == [0, 5, 1, 3]
    assert shortest(last, backwards=True) == [3, 1, 2, 0]
    longest = over_paths(arrows, first, 0, lambda n, arrow: n + arrow.length, max)
    assert longest[last] == 8
    assert over_paths(arrows, first, 1, lambda n, _: n, lambda a, b: a + b)[last] == 3
