"""What the edges of a graph add, in the words of edits."""

from __future__ import annotations

from nas.space.edge_layers import EdgeLayers
from nas.space.layer_reading import ChainLayer
from tests.nas.space.counting.test_layer_graph import ONE, STAGE, graph


def test_edges_add_layers_by_word_and_the_head_by_its_name() -> None:
    one = graph(stages=[STAGE | {"depth": [3], "width": ONE, "body": ["c3", "2sep3"], "residual": [True]}])
    layers = EdgeLayers(one, ("params",))
    (body,) = [edge for edge in one.edges if edge.words == 2]
    assert layers.layers(body) == (ChainLayer("c3", 8, True), ChainLayer("2sep3", 8, True))
    assert layers.adds(body).tolist() == [[8 * 8 * 9 + 16], [8 * 9 + 16 + 8 * 8 + 16]]
    assert layers.split(body, "2sep3") == ([1], [0])
    assert layers.layers(layers.by_source[one.start][0]) == (None,)
    assert layers.words[body.source[:2]] == {(body.target[:2], frozenset({"c3", "2sep3"}))}
    (head,) = [edge for edge in one.edges if edge.target == one.end]
    assert layers.layers(head) == ("fc",)
