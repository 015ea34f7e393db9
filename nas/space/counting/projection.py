"""A form's graph without what a count does not track: equal layers as one word, equivalent nodes as one node."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nas.space.counting.layer_graph import Edge, Node
from nas.space.counting.tracked_metrics import TrackedMetrics
from nas.space.layer_tables import Slot

Key = tuple[int, ...]
"""What a count tracks of a layer: levels of the small metrics, its event, multiples of the large ones."""


class Word(NamedTuple):
    """Layers that do the same: ``times`` of them."""

    adds: tuple[int, ...]
    """Levels of the small metrics."""
    event: int
    multiples: tuple[int, ...]
    """Of the large metrics."""
    times: int


@dataclass(frozen=True, kw_only=True)
class ProjectedEdge:
    """The layers that lead from one node to another."""

    source: Node
    target: Node
    words: tuple[Word, ...]


class Projection:
    """All networks of one form, as paths from ``start`` to ``end``, each of which represents as many as its words.

    Nodes from which the same words lead to the same nodes (residuals that add nothing tracked, or widths where nothing
    tracked depends on them) are one, so that a path into one of them represents the paths into all.
    """

    def __init__(self, tracked: TrackedMetrics) -> None:
        """Cheap; the edges are made when they are first used."""
        self.tracked = tracked
        self.graph = tracked.vector.graphs[tracked.form]
        self.start, self.end = self.graph.start, self.graph.end

    @property
    def edges(self) -> dict[Node, list[ProjectedEdge]]:
        """By source, in the order of paths."""
        return self._built[0]

    @property
    def represents(self) -> dict[Node, Node]:
        """Node of the graph -> the node that it is one with here, which has edges."""
        return self._built[1]

    @cached_property
    def leaving(self) -> dict[Node, list[Edge]]:
        """The graph's edges by source."""
        leaving: defaultdict[Node, list[Edge]] = defaultdict(list)
        for edge in self.graph.edges:
            leaving[edge.source].append(edge)
        return leaving

    @cached_property
    def _built(self) -> tuple[dict[Node, list[ProjectedEdge]], dict[Node, Node]]:
        found: dict[Node, list[ProjectedEdge]] = {}
        same, known = {self.end: self.end}, dict[Hashable, Node]()
        for node in sorted(
            self.leaving, key=lambda n: (-n.stage, -n.layer, n)
        ):  # from the end; the first of equals stays
            keys: defaultdict[Node, Counter[Key]] = defaultdict(Counter)
            for edge in self.leaving[node]:
                keys[same[edge.target]].update(self.keys(edge))
            look = node.stage, node.layer, frozenset((to, frozenset(some.items())) for to, some in keys.items())
            same[node] = known.setdefault(look, node)
            if same[node] == node:
                found[node] = [self._edge(node, target, some) for target, some in keys.items()]
        return dict(sorted(found.items())), same

    def _edge(self, source: Node, target: Node, keys: Counter[Key]) -> ProjectedEdge:
        words = tuple(Word(*self.split(key), times) for key, times in keys.items())
        return ProjectedEdge(source=source, target=target, words=words)

    def split(self, key: Key) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
        """Levels of the small metrics, event, multiples of the large ones."""
        n = len(self.tracked.small)
        return key[:n], key[n], key[n + 1 :]

    def keys(self, edge: Edge) -> list[Key]:
        """What is tracked of each of an edge's layers."""
        if edge.slot is None:
            return [(0,) * (len(self.tracked.names) + 1)]
        _, first, second = edge.at
        return [tuple(key) for key in self._tables[edge.slot.stage, edge.slot.layer][first][second][: edge.words]]

    @cached_property
    def _tables(self) -> dict[tuple[int, int], list[list[list[list[int]]]]]:
        """By slot (stage, layer), the numbers of the keys at [first][second][word]."""
        return {(slot.stage, slot.layer): self._table(slot) for slot in self.tracked.vector.tables.slots}

    def _table(self, slot: Slot) -> list[list[list[list[int]]]]:
        form, is_head = self.tracked.form, slot.stage > len(self.graph.space.stages)
        numbers = [
            *(f.levels(slot.metrics[f.name][form]) for f in self.tracked.small),
            slot.events[form],
            *(f.multiples(slot.metrics[f.name][form], is_head=is_head) for f in self.tracked.large),
        ]
        table: list[list[list[list[int]]]] = np.stack(numbers, axis=-1).tolist()
        return table
