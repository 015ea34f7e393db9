"""Uniform draws from a feasible part however rare it is, by exact counts of what can follow each layer.

A draw walks the graph from its start. It takes each layer in proportion to the networks that follow and keep every
constraint, so all of them are equally likely (as Wilf, East side, West side, 1989, draws from any count by recursion).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from constraints.rules import Constraint, strongest
from nas.space.bulk_metrics import Vector
from nas.space.counting.half_paths import PathHalves, Points, TooLargeError
from nas.space.counting.layer_graph import Edge, Node
from nas.space.counting.minimisation import DEAD, Merged
from nas.space.counting.projection import Key, Projection
from nas.space.counting.tracked_metrics import track
from nas.space.space import Encoded

MOST_KNOWN = 1_000
"""Positions whose steps are kept: most walks share the first ones."""


class _Position(NamedTuple):
    """Where a walk is, and what has to follow."""

    node: Node
    state: int
    multiples: tuple[int, ...]
    """Of each large metric, what the rest adds; its top for that or more."""


class _Branch(NamedTuple):
    """Layers of an edge of which the same is tracked, and where they lead."""

    edge: Edge
    key: Key
    after: _Position


class ExactDraws:
    """The networks of a space that keep every constraint, ready to be drawn."""

    def __init__(self, vector: Vector, constraints: Sequence[Constraint]) -> None:
        """Count all that can follow each layer; raises TooLargeError where that is too much to keep."""
        self._vector = vector
        needed = strongest(constraints)  # smaller multiples until a bound is reached mean fewer states
        forms = [_DrawnForm(vector, needed, form) for form in range(len(vector.space.forms))]
        self._starts = [(form, position, count) for form in forms for position, count in form.starts()]

    @property
    def size(self) -> int:
        """Number of different networks to draw, but for norms and activations."""
        return sum(count for _, _, count in self._starts)

    def draw(self, n: int, generator: np.random.Generator) -> Encoded:
        """``n`` networks, independent and uniform, in canonical form; there must be one."""
        space, rows = self._vector.space, np.zeros((n, len(self._vector.space.columns)), dtype=np.int64)
        for name in ("norm", "activation"):  # which no constraint depends on
            rows[:, space.columns[name]] = generator.integers(len(space.parameters[name]), size=n)
        ends = list(accumulate(count for _, _, count in self._starts))
        for row in rows:
            form, position, _ = self._starts[_drawn(ends, generator)]
            form.walk(position, row, generator)
        return rows


class _DrawnForm:
    """The networks of one form."""

    def __init__(self, vector: Vector, constraints: Sequence[Constraint], form: int) -> None:
        tracked = track(vector, constraints, form)
        if tracked is None:
            raise TooLargeError
        self._tracked, self._projection = tracked, Projection(tracked)
        self._merged = Merged(self._projection, most_broken=0)
        halves = PathHalves(self._merged)
        halves.plan()  # refuses what 64 bits do not hold
        self._points = {} if self._merged.is_dead else halves.completions()
        self._known: dict[_Position, tuple[list[_Branch], list[int]]] = {}

    def starts(self) -> Iterator[tuple[_Position, int]]:
        """What networks come to that keep the constraints, and how many come to it."""
        if self._merged.is_dead:
            return
        start, points = self._projection.start, self._points[self._projection.start]
        for multiples, count in zip(_rows(points), points.counts.tolist(), strict=True):
            if not self._tracked.broken_by(multiples):
                yield _Position(start, 0, multiples), count

    def walk(self, position: _Position, row: Encoded, generator: np.random.Generator) -> None:
        """Write a network that ``position`` starts into a row."""
        while position.node != self._projection.end:
            steps, ends = self._steps(position)
            edge, key, position = steps[_drawn(ends, generator)]
            for column, value in edge.chosen:
                row[column] = value
            if edge.slot is not None:
                alike = [word for word, other in enumerate(self._projection.keys(edge)) if other == key]
                row[edge.slot.word] = alike[generator.integers(len(alike))]

    def _steps(self, position: _Position) -> tuple[list[_Branch], list[int]]:
        """What can follow, and the numbers of networks that do, added up; the first ones asked for are kept."""
        if position in self._known:
            return self._known[position]
        found = [step for edge in self._projection.leaving[position.node] for step in self._along(edge, position)]
        steps = [step for step, _ in found], list(accumulate(networks for _, networks in found))
        if len(self._known) < MOST_KNOWN:
            self._known[position] = steps
        return steps

    def _along(self, edge: Edge, position: _Position) -> Iterator[tuple[_Branch, int]]:
        target = self._projection.represents[edge.target]
        for key, times in Counter(self._projection.keys(edge)).items():
            adds, event, multiples = self._projection.split(key)
            state = self._tracked.after(np.array([position.state]), adds, event)
            (kind,) = self._merged.classes(target, state)
            if kind != DEAD:
                points = _of_class(self._points[target], kind)
                points = points.of(self._completes(points, multiples, position.multiples))
                for rest, count in zip(_rows(points), points.counts.tolist(), strict=True):
                    yield _Branch(edge, key, _Position(edge.target, int(state[0]), rest)), times * count

    def _completes(self, points: Points, added: Sequence[int], wanted: Sequence[int]) -> np.ndarray[Any, Any]:
        """Which points reach the multiples ``wanted`` together with those ``added`` by a layer."""
        fits = np.ones(len(points.counts), dtype=bool)
        for metric, rest, more, whole in zip(self._tracked.large, points.multiples, added, wanted, strict=True):
            fits &= np.minimum(rest + more, metric.top) == whole
        return fits


def _of_class(points: Points, kind: int) -> Points:
    """The points of a class, by which they are sorted."""
    return points.of(slice(*np.searchsorted(points.classes, [kind, kind + 1])))


def _rows(points: Points) -> list[tuple[int, ...]]:
    """The multiples of each point."""
    columns = [multiples.tolist() for multiples in points.multiples]
    return list(zip(*columns, strict=True)) if columns else [()] * len(points.counts)


def _drawn(ends: Sequence[int], generator: np.random.Generator) -> int:
    """The place of a part, in proportion to its size; ``ends`` are the sizes added up, whole numbers of any length."""
    below, bits = ends[-1], ends[-1].bit_length()
    number = below
    while number >= below:
        number = int.from_bytes(generator.bytes((bits + 7) // 8)) >> (-bits % 8)
    return bisect_right(ends, number)
