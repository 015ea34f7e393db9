"""States of a form's paths merged where no continuation tells them apart (Moore's minimisation, layer by layer).

What is left at each node is as little as the constraints need: a receptive field that every continuation brings over
its limit is one state, and networks that break more constraints than one asks for are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.space.counting.layer_graph import Node
from nas.space.counting.projection import ProjectedEdge, Projection
from nas.space.counting.tracked_metrics import Array

DEAD = -1
"""The class of states that lead only to networks which break too many constraints."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """Layers that do the same, as a move of classes: ``after[class]`` is the class behind them, or DEAD."""

    after: Array
    multiples: tuple[int, ...]
    times: int


@dataclass(frozen=True, kw_only=True)
class Moves:
    """The moves from one node to another."""

    source: Node
    target: Node
    moves: tuple[Move, ...]

    @property
    def times(self) -> int:
        """Number of layers."""
        return sum(move.times for move in self.moves)


class Merged:
    """The classes of states at every node of a projection."""

    def __init__(self, projection: Projection, *, most_broken: int) -> None:
        """Work everything out; networks that break more than ``most_broken`` constraints are left out."""
        self.projection, self.tracked, self.most_broken = projection, projection.tracked, most_broken
        self._states = self._reached()
        self.outcomes = [frozenset[int]()]
        """The constraints broken by each class behind the end."""
        self._classes = {projection.end: self._outcomes(self._states[projection.end])}
        self.moves: dict[Node, list[Moves]] = {}
        for node, edges in reversed(projection.edges.items()):
            self.moves[node] = self._merge(node, edges)
        self.moves = dict(reversed(self.moves.items()))

    @property
    def is_dead(self) -> bool:
        """Whether every network breaks too many constraints."""
        return not self.count(self.projection.start)

    def count(self, node: Node) -> int:
        """Number of classes at a node."""
        return int(self._classes[node].max(initial=DEAD)) + 1

    def classes(self, node: Node, states: Array) -> Array:
        """The class of each of some states that paths can have at a node, or DEAD."""
        return self._classes[node][np.searchsorted(self._states[node], states)]

    def _reached(self) -> dict[Node, Array]:
        """The states that paths can have at each node."""
        pieces: dict[Node, list[Array]] = {self.projection.start: [np.zeros(1, dtype=np.int64)]}
        reached: dict[Node, Array] = {}
        for node, edges in self.projection.edges.items():
            reached[node] = np.unique(np.concatenate(pieces.pop(node)))
            for edge in edges:
                doing = {(word.adds, word.event) for word in edge.words}
                pieces.setdefault(edge.target, []).extend(self.tracked.after(reached[node], *d) for d in doing)
        reached[self.projection.end] = np.unique(np.concatenate(pieces.pop(self.projection.end)))
        return reached

    def _outcomes(self, states: Array) -> Array:
        broken = self.tracked.broken(states)
        result = np.full(len(states), DEAD)
        patterns = [frozenset(np.flatnonzero(row).tolist()) for row in broken]
        for i, pattern in enumerate(patterns):
            if len(pattern) > self.most_broken:
                continue
            if pattern not in self.outcomes:
                self.outcomes.append(pattern)
            result[i] = self.outcomes.index(pattern)
        return result

    def _merge(self, node: Node, edges: Sequence[ProjectedEdge]) -> list[Moves]:
        """Give the states of a node their classes; the moves of these classes."""
        states = self._states[node]
        doing = {(e.target, word.adds, word.event): word for e in edges for word in e.words}
        after = {key: self._after(states, key[0], key[1], key[2]) for key in doing}
        table = np.stack(list(after.values()), axis=1)
        alive = np.flatnonzero((table != DEAD).any(axis=1))
        _, firsts, classes = np.unique(table[alive], axis=0, return_index=True, return_inverse=True)
        self._classes[node] = np.full(len(states), DEAD)
        self._classes[node][alive] = classes.ravel()
        chosen = alive[firsts]
        return [
            Moves(
                source=node,
                target=edge.target,
                moves=tuple(
                    Move(after=after[edge.target, w.adds, w.event][chosen], multiples=w.multiples, times=w.times)
                    for w in edge.words
                ),
            )
            for edge in edges
        ]

    def _after(self, states: Array, target: Node, adds: Sequence[int], event: int) -> Array:
        """The class at ``target`` of each state behind a layer."""
        return self.classes(target, self.tracked.after(states, adds, event))
