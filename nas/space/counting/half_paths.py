"""The two halves of a form's networks: from the start to a cut and from the cut to the end, by class and value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from operator import add
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nas.space.counting.layer_graph import FIRST, LAST, Node, over_paths
from nas.space.counting.minimisation import DEAD, Merged, Move, Moves
from nas.space.counting.tracked_metrics import Array

LARGEST = 2.0**62
"""Counts stay below, so that whole numbers of 64 bits hold them."""
BATCH = 1 << 22
"""Points that are merged together."""
MOST_HELD = 1e7
"""Points that ``completions`` keeps: about 400 MiB."""
MOST_CELLS = 1 << 25
"""Cells of a table that sums are made in (256 MiB); what needs more is sorted."""

Counts = npt.NDArray[np.int64] | npt.NDArray[np.object_]


class TooLargeError(Exception):
    """A count past what 64 bits hold, or points past what memory should."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Halves of networks, equivalent ones together: parallel arrays."""

    classes: Array
    """Where a half from the start ends; where one to the end begins."""
    outcomes: Array
    """Of halves to the end: index in ``Merged.outcomes``."""
    multiples: tuple[Array, ...]
    """Of each large metric, at most its top."""
    counts: Counts

    def of(self, at: Array | npt.NDArray[np.bool_] | slice) -> Points:
        """Some of them."""
        multiples = tuple(u[at] for u in self.multiples)
        return Points(classes=self.classes[at], outcomes=self.outcomes[at], multiples=multiples, counts=self.counts[at])


class CutPlan(NamedTuple):
    """Where to cut, and what that costs at most: points moved in all, and points of one node."""

    cut: tuple[int, int]
    """(stage, layer), through which every path passes once."""
    moved: float
    held: float


class PathHalves:
    """Both halves of a form's networks."""

    def __init__(self, merged: Merged) -> None:
        """Cheap; ``plan`` estimates what ``before`` and ``after`` will cost."""
        self.merged = merged
        self.tops = tuple(f.top for f in merged.tracked.large)
        self.nodes = [*merged.moves, merged.projection.end]
        self._ends = tuple(not merged.most_broken and merged.tracked.breaks_at_top(f) for f in merged.tracked.large)
        """Of each large metric: whether halves that must reach its top are left out."""
        self._all_moves = [moves for several in merged.moves.values() for moves in several]
        self._start, self._end = merged.projection.start, merged.projection.end
        self._least_to, self._least_from = self._least(self._start), self._least(self._end, backwards=True)
        self._shape = (max(1, *map(merged.count, self.nodes)), len(merged.outcomes), *(top + 1 for top in self.tops))

    def plan(self) -> CutPlan:
        """The cheapest cut, by an estimate from above that ignores how many points fall together below the tops."""
        if prod(map(float, self._shape)) >= LARGEST:
            raise TooLargeError
        cells = prod(top + 1.0 for top in self.tops)
        sizes = {p: self.merged.count(p) for p in self.nodes}
        held = {p: min(n, cells * sizes[p]) for p, n in self._ways(self._start).items()}
        ways_from, outcomes = self._ways(self._end, backwards=True), len(self.merged.outcomes)
        kept = {p: sizes[p] * min(n, cells * outcomes) for p, n in ways_from.items()}
        plans = []
        for cut in sorted({_at(p) for p in self.nodes if p.layer in (FIRST, LAST)}):
            moved = 0.0
            for m in self._all_moves:
                share = sizes[m.source] / max(1, sizes[m.target])
                moved += len(m.moves) * (held[m.source] if _at(m.source) < cut else kept[m.target] * share)
            most = max(max(held[p] if _at(p) <= cut else 0.0, kept[p] if _at(p) >= cut else 0.0) for p in self.nodes)
            plans.append(CutPlan(cut, moved, most))
        return min(plans, key=lambda plan: plan.moved)

    def _ways(self, first: Node, *, backwards: bool = False) -> dict[Node, float]:
        """Number of halves between ``first`` and each node."""
        return over_paths(self._all_moves, first, 1.0, lambda n, moves: n * moves.times, add, backwards=backwards)

    def _least(self, first: Node, *, backwards: bool = False) -> dict[Node, Array]:
        """The least multiples of each large metric between ``first`` and each node."""

        def extend(multiples: Array, moves: Moves) -> Array:
            steps = np.array([move.multiples for move in moves.moves], dtype=np.int64)
            return np.asarray(multiples + steps.reshape(len(moves.moves), -1).min(axis=0))

        nothing = np.zeros(len(self.tops), dtype=np.int64)
        return over_paths(self._all_moves, first, nothing, extend, np.minimum, backwards=backwards)

    def before(self, cut: tuple[int, int]) -> dict[Node, Points]:
        """The halves that end at each node of the cut."""
        piles: defaultdict[Node, _Pile] = defaultdict(lambda: _Pile(self))
        piles[self._start].add(self._one(np.zeros(1, dtype=np.int64)))
        for node, several in self.merged.moves.items():
            if _at(node) >= cut:
                break
            points = piles.pop(node).merged()
            for m in several:
                for move in m.moves:
                    piles[m.target].add(self._forward(points, move, m.target))
        return {node: pile.merged() for node, pile in piles.items()}

    def after(self, cut: tuple[int, int]) -> dict[Node, Points]:
        """The halves that begin at each node of the cut."""
        found = {self._end: self._one(np.arange(len(self.merged.outcomes)))}
        for node in reversed(self.merged.moves):
            if _at(node) < cut:
                break
            found[node] = self._from(node, found)
            if node.layer == LAST:  # nothing before leads further than to the next stage's first layer
                near = {_at(node), (node.stage + 1, FIRST)}
                found = {p: points for p, points in found.items() if _at(p) in near}
        return {node: points for node, points in found.items() if _at(node) == cut}

    def completions(self) -> dict[Node, Points]:
        """All that can follow each node; raises TooLargeError where that would be more than MOST_HELD points in all."""
        found = {self._end: self._one(np.arange(len(self.merged.outcomes)))}
        held = 0
        for node in reversed(self.merged.moves):
            found[node] = self._from(node, found)
            held += len(found[node].counts)
            if held > MOST_HELD:
                raise TooLargeError
        return found

    def _from(self, node: Node, known: Mapping[Node, Points]) -> Points:
        """The halves that begin at a node, from those ``known`` of the nodes behind it."""
        pile = _Pile(self)
        for several in self.merged.moves[node]:
            for move in several.moves:
                pile.add(self._backward(known[several.target], move, node))
        return pile.merged()

    def _one(self, classes: Array) -> Points:
        """One half of nothing in each class."""
        nothing = np.zeros(len(classes), dtype=np.int64)
        counts: Counts = nothing + 1 if self.tops else np.ones(len(classes), dtype=object)
        return Points(classes=classes, outcomes=classes, multiples=(nothing,) * len(self.tops), counts=counts)

    def _forward(self, points: Points, move: Move, target: Node) -> Points:
        classes = move.after[points.classes]
        alive = np.flatnonzero(classes != DEAD)
        return self._moved(
            replace(points, classes=classes, outcomes=np.zeros_like(classes)).of(alive), move, self._least_from[target]
        )

    def _backward(self, points: Points, move: Move, source: Node) -> Points:
        """A point for each class from which the move leads to the point's own; points are sorted by class."""
        starts = np.searchsorted(points.classes, move.after)
        lengths = np.searchsorted(points.classes, move.after, side="right") - starts
        classes = np.repeat(np.arange(len(move.after)), lengths)
        at = np.arange(len(classes)) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
        return self._moved(replace(points.of(at), classes=classes), move, self._least_to[source])

    def _moved(self, points: Points, move: Move, least: Array) -> Points:
        """The points behind (or before) a move, where at least ``least`` multiples are still to come."""
        multiples = tuple(
            np.minimum(u + add, top) for u, add, top in zip(points.multiples, move.multiples, self.tops, strict=True)
        )
        moved = replace(points, multiples=multiples, counts=points.counts * move.times)
        alive = np.ones(len(points.counts), dtype=bool)
        for u, top, more, ends in zip(multiples, self.tops, least.tolist(), self._ends, strict=True):
            if ends:
                alive &= u + more < top
        return moved if alive.all() else moved.of(alive)

    def _merge(self, pieces: Sequence[Points]) -> Points:
        """The points of all pieces sorted by class, equivalent ones added up."""
        columns = [(p.classes, p.outcomes, *p.multiples) for p in pieces]
        keys = np.concatenate([np.ravel_multi_index(several, self._shape) for several in columns])
        counts = np.concatenate([p.counts for p in pieces])
        if counts.dtype != object and counts.sum(dtype=np.float64) >= LARGEST:
            raise TooLargeError
        keys, counts = self._summed(keys, counts)
        classes, outcomes, *multiples = np.unravel_index(keys, self._shape)
        return Points(classes=classes, outcomes=outcomes, multiples=tuple(multiples), counts=counts)

    def _summed(self, keys: Array, counts: Counts) -> tuple[Array, Counts]:
        """Each key once, in order, and the sum of its counts."""
        cells = prod(self._shape)
        if counts.dtype != object and cells <= min(MOST_CELLS, 8 * len(keys)):
            table = np.zeros(cells, dtype=np.int64)
            np.add.at(table, keys, counts)
            keys = np.flatnonzero(table)
            return keys, table[keys]
        order = np.argsort(keys)
        keys = keys[order]
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        return keys[starts], np.add.reduceat(counts[order], starts) if len(starts) else counts


class _Pile:
    """Points that gather at one node, merged whenever they get many, so that copies take little memory."""

    def __init__(self, halves: PathHalves) -> None:
        self._halves = halves
        self._pieces: list[Points] = []
        self._size = 0

    def add(self, points: Points) -> None:
        self._pieces.append(points)
        self._size += len(points.counts)
        if self._size > BATCH:
            self._pieces = [self.merged()]
            self._size = 0

    def merged(self) -> Points:
        return self._halves._merge(self._pieces)


def _at(node: Node) -> tuple[int, int]:
    return node.stage, node.layer
