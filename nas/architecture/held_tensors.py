"""The names of the parameters and buffers that a model's operations hold, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch.fx import Node

from nas.architecture.graph import Graph, arguments, refused


class Held(NamedTuple):
    """A tensor of an operation."""

    tensor: str
    """Name of the parameter or buffer."""
    node: Node
    argument: str
    """The operation's argument that it is: ``weight``, ``running_mean``."""


class Tensors:
    """The tensors of a part of a graph, in a fixed order of its layers."""

    def __init__(self, graph: Graph) -> None:
        """Start without any tensor."""
        self.graph = graph
        self.held: list[Held] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors' names."""
        return tuple(one.tensor for one in self.held)

    def keep(self, node: Node, *arguments_: str) -> None:
        """Add the tensors in an operation's arguments; UnusableInputError for one that is computed."""
        given = arguments(node)
        for argument in arguments_:
            tensor = self.graph.tensor(given[argument])
            if tensor is None:
                raise refused(node, f"its {argument} is computed: make it a parameter of its own")
            self.held.append(Held(tensor, node, argument))


def distinct(held: Iterable[Held]) -> list[str]:
    """The names; UnusableInputError for a tensor that two operations use, which an architecture cannot express."""
    found: dict[str, None] = {}
    for tensor, node, argument in held:
        if tensor in found:
            raise refused(node, f"it shares {tensor} with an earlier layer: give it a {argument} of its own")
        found[tensor] = None
    return list(found)
