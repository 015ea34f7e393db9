"""Which values each metric of a space's networks can have: least and greatest, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from constraints.metrics import Metrics
from nas.space.analytic import SCALED
from nas.space.bulk_metrics import ALIASES, CONSTANT, Vector
from nas.space.counting.layer_graph import Edge, LayerGraph, over_paths
from nas.space.counting.projection import ProjectedEdge, Projection
from nas.space.counting.tracked_metrics import Array, track
from nas.space.layer_tables import ADDED, GREATEST
from nas.space.stage_automaton import StageEvent, Totals

Range = list[int | float]
"""[least, greatest]."""


def ranges(vector: Vector) -> dict[str, Range]:
    """The range of every metric; of ``convs_per_stage`` and per-axis ones that of all entries together.

    Stages are those that strides make, as where no constraint is on them.
    """
    least = np.min([_nearest(graph, np.minimum) for graph in vector.graphs], axis=0).tolist()
    greatest = np.max([_nearest(graph, np.maximum) for graph in vector.graphs], axis=0).tolist()
    found: dict[str, Range] = {n: [a, b] for n, a, b in zip((*ADDED, *GREATEST), least, greatest, strict=True)}
    found["receptive_field"] = [1 + end for end in found["receptive_field"]]
    found |= {name: [value, value] for name, value in CONSTANT.items()}
    found["downsampled_by"] = _plain(vector.downsampled.ravel().tolist())
    found["stages"], found["convs_per_stage"] = _of_stages(vector)
    found |= {name: [int(end * factor) for end in found[base]] for name, (base, factor) in SCALED.items()}
    return {name: found[ALIASES.get(name, name)] for name in Metrics.definitions()}


def _plain(values: Iterable[float]) -> Range:
    whole = [int(v) if float(v).is_integer() else v for v in values]
    return [min(whole), max(whole)]


def _nearest(graph: LayerGraph, pick: np.ufunc) -> Array:
    """The least (or the greatest) of each metric of ADDED and GREATEST in one form: the shortest or longest path."""

    def extend(value: Array, edge: Edge) -> Array:
        more = pick.reduce([edge.adds(name) for name in (*ADDED, *GREATEST)], axis=1)
        n = len(ADDED)
        return np.concatenate([value[:n] + more[:n], np.maximum(value[n:], more[n:])])

    nothing = np.zeros(len(ADDED) + len(GREATEST), dtype=np.int64)
    return over_paths(graph.edges, graph.start, nothing, extend, pick)[graph.end]


class _StageState(NamedTuple):
    """Stages by stride and convolutions after some layers; as ``constraints.stages.State``, but nothing saturates."""

    closed: int = 0
    open_convs: int = 0
    is_spatial: bool = False

    def after(self, event: Totals) -> _StageState:
        """The state after a layer."""
        if event.closes:
            return _StageState(self.closed + 1, event.after, event.is_spatial)
        return _StageState(self.closed, self.open_convs + event.before, self.is_spatial or event.is_spatial)


def _of_stages(vector: Vector) -> tuple[Range, Range]:
    """Of the number of stages, and of the convolutions in one."""
    stages, convs = set[int](), set[int]()
    for form in range(len(vector.space.forms)):
        tracked = track(vector, (), form)
        assert tracked is not None  # nothing is tracked but the events
        some_stages, some_convs = _of_events(Projection(tracked), vector.tables.events)
        stages, convs = stages | some_stages, convs | some_convs
    return _plain(stages), _plain(convs | ({0} if 0 in stages else set()))


def _of_events(projection: Projection, events: Sequence[StageEvent]) -> tuple[set[int], set[int]]:
    """Every number of stages, and of convolutions in one, of a form's networks."""
    edges = [edge for several in projection.edges.values() for edge in several]

    def extend(states: set[_StageState], edge: ProjectedEdge) -> set[_StageState]:
        return {state.after(events[word.event].by_stride) for word in edge.words for state in states}

    states = over_paths(edges, projection.start, {_StageState()}, extend, set.union)
    closing = [(events[word.event].by_stride, state) for e in edges for word in e.words for state in states[e.source]]
    ends = states[projection.end]
    convs = {state.open_convs + event.before for event, state in closing if event.closes}
    return {end.closed + end.is_spatial for end in ends}, convs | {end.open_convs for end in ends if end.is_spatial}
