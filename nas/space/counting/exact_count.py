"""How many networks of a space keep which constraints, exactly, without enumerating them.

A network is a path through a graph of layers (``layer_graph``). The metrics that the constraints ask for are tracked
from layer to layer: large ones (parameters, say) exactly, the others as a state that is no finer than the constraints
need (``tracked_metrics``, ``projection``, ``minimisation``). Paths are followed from the start to a cut and from the
end back to it (``half_paths``); equivalent ones are counted together. Where the halves meet, the pairs are counted by
their sums (``meet_in_the_middle``). Counts are whole numbers throughout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from constraints.rules import Constraint, strongest
from nas.space.bulk_metrics import Vector
from nas.space.counting.half_paths import CutPlan, PathHalves, Points, TooLargeError
from nas.space.counting.meet_in_the_middle import pairs_below
from nas.space.counting.metric_ranges import ranges
from nas.space.counting.minimisation import Merged
from nas.space.counting.projection import Projection
from nas.space.counting.tracked_metrics import Large, TrackedMetrics, track
from nas.space.stage_automaton import STRUCTURE

MOST_HELD = 3e7
"""Points of one node: about 2 GiB with what is needed to merge them."""
MOST_MOVED = 1e10
"""Points moved in all, by an estimate from above: about a minute."""
BINS = 20


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many networks keep all constraints, and how many break just one."""

    feasible: int
    alone: tuple[int, ...]
    """By place of the constraint: networks that break it and nothing else."""
    broken: Mapping[frozenset[int], int]
    """Places of the constraints that networks break -> how many break just these."""
    histogram: tuple[tuple[int | None, int], ...]
    """(upper end of the bin, not included, or None for all above; feasible networks in it), of ``metric``."""
    metric: str
    """The exactly tracked metric whose histogram it is; empty where there is none, or several."""


def size(vector: Vector) -> int:
    """Number of different networks in the space."""
    return len(vector.space.norms) * len(vector.space.activations) * sum(graph.size for graph in vector.graphs)


def count(vector: Vector, constraints: Sequence[Constraint]) -> Count | None:
    """Count exactly; None where that would take too much memory or time."""
    return _count(vector, constraints, most_broken=1)


def feasible(vector: Vector, constraints: Sequence[Constraint]) -> int | None:
    """How many networks keep all constraints, which is less work than ``count``; None as there."""
    found = _count(vector, strongest(constraints), most_broken=0)
    return None if found is None else found.feasible


def _count(vector: Vector, constraints: Sequence[Constraint], *, most_broken: int) -> Count | None:
    planned: list[tuple[PathHalves, CutPlan]] = []
    moved = 0.0
    try:
        for form in range(len(vector.space.forms)):
            tracked = track(vector, constraints, form)
            if tracked is None:
                return None
            halves = PathHalves(Merged(Projection(tracked), most_broken=most_broken))
            plan = halves.plan()
            moved += plan.moved
            if moved > MOST_MOVED or plan.held > MOST_HELD:  # the other forms would only add to it
                return None
            planned.append((halves, plan))
        return _added(vector, constraints, planned)
    except TooLargeError:
        return None


def rejects(vector: Vector, constraint: Constraint, constraints: Sequence[Constraint] = ()) -> int | None:
    """How many networks break a constraint; None where that is not counted exactly.

    One on stages is judged together with those of ``constraints`` that are on stages too.
    """
    beside = [c for c in constraints if c.metric in STRUCTURE and c != constraint]
    together = [constraint, *beside] if constraint.metric in STRUCTURE else [constraint]
    found = _count(vector, together, most_broken=len(together))
    return None if found is None else sum(n for pattern, n in found.broken.items() if 0 in pattern)


def _added(vector: Vector, constraints: Sequence[Constraint], planned: Sequence[tuple[PathHalves, CutPlan]]) -> Count:
    alike = len(vector.space.norms) * len(vector.space.activations)
    broken: Counter[frozenset[int]] = Counter()
    bins: Counter[int] = Counter()
    first = planned[0][0].merged
    has_histogram = first.most_broken > 0 and len(first.tracked.large) == 1
    ends = _edges(first.tracked) if has_histogram else []
    for halves, plan in planned:
        _CountedForm(halves, plan, ends).count(broken, bins)
    edges: list[int | None] = [*ends, None]
    histogram = [(edge, bins[i] * alike) for i, edge in enumerate(edges)] if ends else []
    return Count(
        feasible=broken[frozenset()] * alike,
        alone=tuple(broken[frozenset({i})] * alike for i in range(len(constraints))),
        broken={pattern: n * alike for pattern, n in broken.items()},
        histogram=tuple(histogram[:-1] if histogram and not histogram[-1][1] else histogram),
        metric=first.tracked.large[0].name if ends else "",
    )


def _edges(tracked: TrackedMetrics) -> list[int]:
    """Ends, not included, of the histogram's bins, up to the last value that changes a verdict or that there is.

    Every form has the same.
    """
    large = tracked.large[0]
    top = min(max(tracked.turns(large), default=0), int(ranges(tracked.vector)[large.name][1]) + 1)
    return sorted({top * (i + 1) // BINS for i in range(BINS)} - {0}) if top > 0 else []


class _CountedForm:
    """The networks of one form."""

    def __init__(self, halves: PathHalves, plan: CutPlan, edges: Sequence[int]) -> None:
        self.halves, self.plan, self.edges = halves, plan, edges
        self.tracked: TrackedMetrics = halves.merged.tracked

    def count(self, broken: Counter[frozenset[int]], bins: Counter[int]) -> None:
        """Add this form's networks, by the constraints that they break, and the feasible ones by bin."""
        if self.halves.merged.is_dead:
            return
        before, after = self.halves.before(self.plan.cut), self.halves.after(self.plan.cut)
        for node, ends in before.items():
            for pattern, some, others in self._pairs(ends, after[node]):
                self._meet(pattern, some, others, broken, bins)

    def _pairs(self, before: Points, after: Points) -> Iterator[tuple[frozenset[int], Points, Points]]:
        """The halves of each class and each outcome."""
        for kind in np.unique(before.classes).tolist():
            low, high = np.searchsorted(after.classes, [kind, kind + 1])
            some, rest = before.of(before.classes == kind), after.of(slice(low, high))
            for outcome in np.unique(rest.outcomes).tolist():
                yield self.halves.merged.outcomes[outcome], some, rest.of(rest.outcomes == outcome)

    def _meet(
        self,
        pattern: frozenset[int],
        before: Points,
        after: Points,
        broken: Counter[frozenset[int]],
        bins: Counter[int],
    ) -> None:
        limits = [self._limits(metric, feasible=not pattern) for metric in self.tracked.large]
        below = pairs_below(before, after, limits)
        for cell, number in _differences(below, limits).items():
            levels = [min(limit - 1, f.top) for limit, f in zip(cell, self.tracked.large, strict=True)]
            reasons = pattern | self.tracked.broken_by(levels)
            broken[reasons] += number
            if self.edges and not reasons:
                metric = self.tracked.large[0]
                bins[sum(metric.level(edge) <= levels[0] for edge in self.edges)] += number

    def _limits(self, metric: Large, *, feasible: bool) -> list[int]:
        """Where verdicts change, and bins end, in ascending order; the last is above every sum."""
        ends = {metric.level(edge) for edge in self.edges} if feasible else set[int]()
        return [*sorted({*self.tracked.points(metric), *ends} - {0}), 2 * metric.top + 1]


def _differences(below: dict[tuple[int, ...], int], limits: Sequence[Sequence[int]]) -> dict[tuple[int, ...], int]:
    """From the numbers below limits to those between two neighbouring ones, metric by metric."""
    for axis, several in enumerate(limits):
        previous = dict(zip(several, [None, *several], strict=False))
        below = {
            key: number - below.get((*key[:axis], previous[key[axis]], *key[axis + 1 :]), 0)  # type: ignore[arg-type]  # None is no limit
            for key, number in below.items()
        }
    return below
