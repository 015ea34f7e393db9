"""Exact search for the feasible networks of a space with the fewest edits from any given network.

A space's networks are the paths of its graphs; along each path, the cheapest alignments with the given network's layers
are tracked, as in a Levenshtein automaton (Schulz and Mihov, Fast String Correction with Levenshtein Automata, 2002).
The budget of edits grows by one until a feasible network is found. Prefixes that cannot be completed within the budget,
or whose best completion within it still breaks a bound, are pruned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf, log2
from typing import NamedTuple

import numpy as np

from nas.architecture.spec import Architecture
from nas.space.analytic import metrics
from nas.space.counting.layer_graph import Edge, LayerGraph, Node
from nas.space.counting.listing import bounds
from nas.space.edge_layers import Added, EdgeLayers, Floats, Place
from nas.space.edit_alignment import EditRun, frame_edits, paired
from nas.space.feasible import EmptySpaceError, FeasiblePart
from nas.space.layer_reading import ChainLayer, ChainReading, NetworkFrame, read
from nas.space.space import Choice, Encoded

MOST_PREFIXES = 200_000
"""Prefixes that one search visits before it gives up."""
MOST_FOUND = 512
"""Most equally near networks that are collected; those nearest in size are chosen from them."""

MOST_FRAME_EDITS = 6
"""Most edits apart from layers: one for each property of a frame."""


class SearchTooLargeError(Exception):
    """More prefixes than MOST_PREFIXES."""


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The nearest feasible networks."""

    edits: int
    """Their distance in edits."""
    choices: tuple[dict[str, Choice], ...]
    """Sorted by distance in parameters and multiply-accumulates."""


def nearest(feasible: FeasiblePart, network: Architecture, most: int = 3) -> Nearest:
    """The ``most`` feasible networks with the fewest edits from ``network``, whose input is the space's.

    Edits are those of ``nas.space.edit_alignment``. Raises SearchTooLargeError where that takes more than
    MOST_PREFIXES prefixes, EmptySpaceError where no network is feasible.
    """
    own, graphs = read(network), feasible.vector.graphs
    searches = [_Search(graph, own, feasible) for graph in graphs]
    looked = [MOST_PREFIXES]
    longest = sum(max(stage.depth) for stage in feasible.space.stages)
    most_edits = len(own.layers) + longest + MOST_FRAME_EDITS  # every layer is removed and all are added
    for budget in range(min(search.least for search in searches), most_edits + 1):
        rows = [row for search in searches for row in search.within(budget, looked)]
        if rows:
            return Nearest(edits=budget, choices=_closest(feasible, network, np.unique(rows, axis=0), most))
    raise EmptySpaceError("no network keeps all constraints: none is the nearest: relax a constraint")


def _closest(feasible: FeasiblePart, network: Architecture, rows: Encoded, most: int) -> tuple[dict[str, Choice], ...]:
    here = metrics(network)
    gaps = [
        abs(log2(found.params / here.params)) + abs(log2(found.macs / here.macs))
        for found in feasible.vector.metrics_of(rows)
    ]
    return tuple(feasible.space.choices(rows[i]) for i in np.argsort(gaps, kind="stable")[:most])


class _State(NamedTuple):
    """State of an alignment: layers of the given network used, and how the last pair changed."""

    used: int
    run: EditRun


_Alignments = Mapping[_State, int]
"""State -> its edits so far."""


@dataclass(frozen=True, kw_only=True)
class _Prefix:
    rows: tuple[tuple[int, int], ...]
    """(column, value index) of the parameters decided so far."""
    totals: Floats
    alignments: _Alignments


class _Search:
    """The search in one form's networks."""

    def __init__(self, graph: LayerGraph, own: ChainReading, feasible: FeasiblePart) -> None:
        self._graph, self._own, self._feasible = graph, own, feasible
        limits = bounds(feasible.constraints)
        self._names = tuple(limits)
        self._low, self._high = (np.array([ends[side] for ends in limits.values()]) for side in (0, 1))
        self._rest: dict[tuple[Place, int], int] = {}
        self._ends: dict[tuple[Node, _State, int], tuple[Floats, Floats] | None] = {}
        self._edges = EdgeLayers(graph, self._names)

    @cached_property
    def least(self) -> int:
        """The fewest edits to any network of the form, feasible or not."""
        return self._framed[0] + self._least_from(self._graph.start[:2], 0)

    def within(self, budget: int, looked: list[int]) -> Iterator[list[int]]:
        """Encoded feasible networks within a budget, at most MOST_FOUND; ``looked`` counts prefixes down."""
        if budget < self.least:
            return
        totals = np.array([float(metric == "receptive_field") for metric in self._names])
        start = _Prefix(rows=(), totals=totals, alignments={_State(0, EditRun()): 0})
        found = 0
        for row in self._completions(self._graph.start, start, budget - self._framed[0], looked):
            if self._feasible.vector.feasible(np.array([row]), self._feasible.constraints)[0]:
                yield row
                found += 1
                if found == MOST_FOUND:
                    return

    @cached_property
    def _framed(self) -> tuple[int, dict[str, int]]:
        """The edits of norm and activation, and the value indices of both."""
        space, best = self._graph.space, None
        for n, norm in enumerate(space.norms):
            for a, activation in enumerate(space.activations):
                frame = NetworkFrame(
                    head=self._own.frame.head, post=(f"{norm}_norm", activation), input=space.input,
                    classes=space.classes,
                )  # fmt: skip
                cost = len(frame_edits(self._own.frame, frame))
                if best is None or cost < best[0]:
                    best = cost, {"norm": n, "activation": a}
        assert best is not None
        return best

    def _completions(self, node: Node, prefix: _Prefix, budget: int, looked: list[int]) -> Iterator[list[int]]:
        """Depth-first: the encoded networks that complete a prefix within the budget."""
        if node == self._graph.end:
            row = [0] * len(self._graph.space.columns)
            for column, value in prefix.rows:
                row[column] = value
            for parameter, value in self._framed[1].items():
                row[self._graph.space.columns[parameter]] = value
            yield row
            return
        for edge in self._edges.by_source[node]:
            for word, layer in enumerate(self._edges.layers(edge)):
                looked[0] -= 1
                if looked[0] < 0:
                    raise SearchTooLargeError
                totals = prefix.totals + self._edges.adds(edge)[word]
                alignments = {
                    state: cost
                    for state, cost in self._after(prefix.alignments, layer).items()
                    if self._can_keep(edge.target, state, budget - cost, totals)
                }
                if alignments:
                    rows = (*prefix.rows, *edge.chosen, *([(edge.slot.word, word)] if edge.slot is not None else []))
                    longer = _Prefix(rows=rows, totals=totals, alignments=alignments)
                    yield from self._completions(edge.target, longer, budget, looked)

    def _after(self, alignments: _Alignments, layer: Added) -> dict[_State, int]:
        """The alignments after one more layer of a space's network, possibly removing layers of the given one first."""
        found: dict[_State, int] = {}
        for (used, run), cost in alignments.items():
            for removed in range(len(self._own.layers) - used + 1):
                for following, more in self._steps(_State(used + removed, run), layer):
                    if cost + removed + more < found.get(following, 1 << 16):
                        found[following] = cost + removed + more
        return found

    def _steps(self, state: _State, layer: Added) -> Iterator[tuple[_State, int]]:
        """The states after one more layer, and the edits to them."""
        own, (used, run) = self._own.layers, state
        if layer is None:
            yield state, 0
        elif isinstance(layer, str):
            if used == len(own):
                yield state, int(layer != self._own.frame.head)
        else:
            yield state, 1
            if used < len(own):
                cost, now = paired(own[used], layer, run)
                yield _State(used + 1, now), cost

    def _removed(self, state: _State) -> _State | None:
        """The state after removing the next layer of the given network, which is one edit."""
        return None if state.used == len(self._own.layers) else state._replace(used=state.used + 1)

    def _can_keep(self, node: Node, state: _State, budget: int, totals: Floats) -> bool:
        ends = self._ends_from(node, state, budget)
        if ends is None:
            return False
        least, most = ends
        return bool(((totals + least <= self._high) & (totals + most >= self._low)).all())

    def _ends_from(self, node: Node, state: _State, budget: int) -> tuple[Floats, Floats] | None:
        """The least and most that completions within a budget add, per metric; None where there are none."""
        if budget < self._least_from(node[:2], state.used):
            return None
        if node == self._graph.end:
            return np.zeros(len(self._names)), np.zeros(len(self._names))
        key = node, state, budget
        if key not in self._ends:
            removed = self._removed(state)
            shorter = self._ends_from(node, removed, budget - 1) if removed is not None else None
            least, most = shorter or (np.full(len(self._names), inf), np.full(len(self._names), -inf))
            for edge in self._edges.by_source[node]:
                adds = self._edges.adds(edge)
                for words, layer in self._kinds(edge, state):
                    for following, cost in self._steps(state, layer):
                        ends = self._ends_from(edge.target, following, budget - cost)
                        if ends is not None:
                            least = np.minimum(least, adds[words].min(axis=0) + ends[0])
                            most = np.maximum(most, adds[words].max(axis=0) + ends[1])
            self._ends[key] = least, most
        return self._ends[key]

    def _least_from(self, place: Place, used: int) -> int:
        """A lower bound on the edits that must follow: only of words, ignoring widths and residuals."""
        if place not in self._edges.words:
            return 0
        if (place, used) not in self._rest:
            left = self._own.layers[used:]
            several = [1 + self._least_from(place, used + 1)] if left else []
            for target, words in self._edges.words[place]:
                if words is None:
                    several.append(self._least_from(target, used))
                elif target not in self._edges.words:
                    several.append(len(left) + (self._own.frame.head not in words))
                else:
                    several.append(1 + self._least_from(target, used))
                    if left:
                        several.append((left[0].word not in words) + self._least_from(target, used + 1))
            self._rest[place, used] = min(several)
        return self._rest[place, used]

    def _kinds(self, edge: Edge, state: _State) -> Iterator[tuple[list[int], Added]]:
        """The words of an edge in groups: all words that differ from the next layer to align share a representative."""
        layers = self._edges.layers(edge)
        if not isinstance(layers[0], ChainLayer):
            yield from (([word], layer) for word, layer in enumerate(layers))
            return
        own = self._own.layers
        wanted = own[state.used].word if state.used < len(own) else ""
        same, others = self._edges.split(edge, wanted)
        for words in (same, others):
            if words:
                yield words, layers[words[0]]
