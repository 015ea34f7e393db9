"""Names of tensors in the order in which they are read."""

from __future__ import annotations

import pytest
from torch import nn

from constraints.errors import UnusableInputError
from nas.architecture.graph import Graph, only
from nas.architecture.held_tensors import Tensors, distinct


def test_tensors_are_kept_in_their_order_and_held_by_one_operation_each() -> None:
    graph = Graph(nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU()), (2, 4, 4))
    held, conv = Tensors(graph), only(graph, graph.images)
    held.keep(conv, "bias", "weight")
    assert held.names == ("0.bias", "0.weight") == tuple(distinct(held.held))
    held.keep(conv, "weight")
    with pytest.raises(UnusableInputError, match=r"conv2d in 0: it shares 0\.weight with an earlier layer"):
        distinct(held.held)
    with pytest.raises(UnusableInputError, match="its input is computed: make it a parameter of its own"):
        held.keep(conv, "input")
