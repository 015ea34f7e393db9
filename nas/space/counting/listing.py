"""Every feasible network of a large space that has few of them.

Branch and bound: prefixes whose best completion still breaks a bound are pruned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf

import numpy as np
import numpy.typing as npt

from constraints.rules import Constraint
from nas.space.bulk_metrics import ALIASES, Vector, based
from nas.space.counting.layer_graph import Edge, LayerGraph, Node, over_paths
from nas.space.layer_tables import ADDED
from nas.space.space import Encoded

MOST_ROWS = 1_000_000
"""Most prefixes held at once."""

Floats = npt.NDArray[np.float64]


class _TooManyError(Exception):
    """More prefixes than MOST_ROWS."""


def list_feasible(vector: Vector, constraints: Sequence[Constraint]) -> Encoded | None:
    """Every network that keeps the constraints, once, in canonical form; None where there are too many prefixes.

    A prefix is pruned where even the least (or the most) that can follow breaks a bound on a metric that layers add to.
    """
    try:
        forms = [_ListedForm(graph, constraints).rows() for graph in vector.graphs]
    except _TooManyError:
        return None
    rows = np.concatenate(forms)
    rows = rows[vector.feasible(rows, constraints)]
    for name in ("norm", "activation"):
        values = len(vector.space.parameters[name])
        rows = np.repeat(rows, values, axis=0)
        rows[:, vector.space.columns[name]] = np.tile(np.arange(values), len(rows) // values)
    return np.unique(rows, axis=0)


@dataclass(frozen=True, kw_only=True)
class _Prefixes:
    """Encoded candidates whose later columns are open, and what their layers add up to so far."""

    rows: Encoded
    totals: Floats
    """(n, bounded metrics)."""


class _ListedForm:
    """The networks of one form that no bound rules out."""

    def __init__(self, graph: LayerGraph, constraints: Sequence[Constraint]) -> None:
        self.graph, self.bounds = graph, bounds(constraints)
        self.low, self.high = (np.array([ends[side] for ends in self.bounds.values()]) for side in (0, 1))
        self.least, self.most = self._rest(np.minimum), self._rest(np.maximum)

    def rows(self) -> Encoded:
        """Encoded in canonical form, but for norm and activation; raises _TooManyError past MOST_ROWS prefixes."""
        rows = np.zeros((1, len(self.graph.space.columns)), dtype=np.int64)
        totals = np.array([[float(name == "receptive_field") for name in self.bounds]])
        waiting = defaultdict(list, {self.graph.start: [_Prefixes(rows=rows, totals=totals)]})
        held = 1
        for node, edges in groupby(self.graph.edges, key=lambda edge: edge.source):
            here = _joined(waiting.pop(node))
            held -= len(here.rows)
            for edge in edges:
                if held + len(here.rows) * edge.words > MOST_ROWS:
                    raise _TooManyError
                waiting[edge.target].append(self._extended(here, edge))
                held += len(waiting[edge.target][-1].rows)
        return _joined(waiting[self.graph.end]).rows

    def _extended(self, before: _Prefixes, edge: Edge) -> _Prefixes:
        """Each prefix with each word of an edge, where the bounds can still be kept."""
        totals = before.totals[:, None] + self._adds(edge)
        can_keep = (totals + self.least[edge.target] <= self.high) & (totals + self.most[edge.target] >= self.low)
        prefixes, words = np.nonzero(can_keep.all(axis=2))
        rows = before.rows[prefixes]
        for column, value in edge.chosen:
            rows[:, column] = value
        if edge.slot is not None:
            rows[:, edge.slot.word] = words
        return _Prefixes(rows=rows, totals=totals[prefixes, words])

    def _adds(self, edge: Edge) -> Floats:
        """(words, bounded metrics)."""
        columns = [edge.adds(name) for name in self.bounds]
        return np.array(columns, dtype=np.float64).T if columns else np.zeros((edge.words, 0))

    def _rest(self, pick: np.ufunc) -> dict[Node, Floats]:
        """The least (or the most) that can follow each node, each metric by itself."""
        graph, nothing = self.graph, np.zeros(len(self.bounds))
        return over_paths(
            graph.edges, graph.end, nothing, lambda rest, e: rest + pick.reduce(self._adds(e)), pick, backwards=True
        )


def _joined(several: Sequence[_Prefixes]) -> _Prefixes:
    return _Prefixes(rows=np.concatenate([s.rows for s in several]), totals=np.concatenate([s.totals for s in several]))


def bounds(constraints: Sequence[Constraint]) -> dict[str, tuple[float, float]]:
    """The least and the greatest value that each bounded metric may have."""
    bounds: dict[str, tuple[float, float]] = {}
    for c in map(based, constraints):
        name, hull = ALIASES.get(c.metric, c.metric), c.hull
        if name in ADDED and (hull.low > -inf or hull.high < inf):
            low, high = bounds.get(name, (-inf, inf))
            bounds[name] = max(low, float(hull.low)), min(high, float(hull.high))
    return bounds
