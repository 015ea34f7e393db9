"""Which metrics an exact count tracks from layer to layer: exactly, or saturated at the first value beyond which no
constraint changes its verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd, prod

import numpy as np
import numpy.typing as npt

from constraints.rules import Constraint
from nas.space.bulk_metrics import ALIASES, Vector, based
from nas.space.layer_tables import ADDED, GREATEST
from nas.space.stage_automaton import STRUCTURE, Automaton

MOST_SMALL = 1 << 14
"""Most combinations of saturated levels; where there are more, some metrics are tracked exactly."""
MOST_LARGE = 2

Array = npt.NDArray[np.int64]


def metric_of(constraint: Constraint) -> str:
    """The metric that a constraint is judged by."""
    return ALIASES.get(constraint.metric, constraint.metric)


@dataclass(frozen=True, kw_only=True)
class Large:
    """A metric tracked exactly, as ``start`` plus a multiple of ``divisor``; from ``top`` on, no verdict changes."""

    name: str
    start: int
    divisor: int
    top: int

    def level(self, value: int) -> int:
        """The least multiple that reaches ``value``, at most ``top``."""
        return min(max(0, -((self.start - value) // self.divisor)), self.top)

    def value(self, level: int) -> int:
        """The metric's value at multiple ``level``."""
        return self.start + level * self.divisor

    def multiples(self, amount: Array, *, is_head: bool) -> Array:
        """What layers add; the start is the least that a head adds, and 1 of a receptive field."""
        base = self.start - (self.name == "receptive_field") if is_head else 0
        return (amount - base) // self.divisor


@dataclass(frozen=True, kw_only=True)
class Small:
    """A metric tracked as a level that saturates at ``cap``.

    ``values[level]`` gets the same verdicts as every value of that level.
    """

    name: str
    divisor: int
    points: tuple[int, ...]
    """Of a metric that is a maximum over layers: where its levels begin."""
    values: Sequence[int]

    @property
    def cap(self) -> int:
        """The highest level."""
        return len(self.values) - 1

    def levels(self, amount: Array) -> Array:
        """What layers add to the level, or make it at least."""
        if self.name in GREATEST:
            return np.asarray(np.searchsorted(self.points, amount, side="right"))
        return amount // self.divisor

    def together(self, level: Array, other: int) -> Array:
        """The level after a layer."""
        if self.name in GREATEST:
            return np.asarray(np.maximum(level, other))
        return np.asarray(np.minimum(level + other, self.cap))


@dataclass(frozen=True, kw_only=True)
class TrackedMetrics:
    """What a count of one form tracks: a state (levels of the small metrics, state of the stages) and values."""

    vector: Vector
    constraints: tuple[Constraint, ...]
    form: int
    large: tuple[Large, ...]
    small: tuple[Small, ...]
    automaton: Automaton

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tracked metrics, the large ones first."""
        return (*(f.name for f in self.large), *(f.name for f in self.small))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of levels of each small metric, and of states of the stages."""
        return (*(f.cap + 1 for f in self.small), len(self.automaton.next))

    def after(self, states: Array, adds: Sequence[int], event: int) -> Array:
        """The states that follow a layer which adds these levels and does this to the stages."""
        *levels, stages = np.unravel_index(states, self.shape)
        moved = [f.together(level, add) for f, level, add in zip(self.small, levels, adds, strict=True)]
        return np.asarray(np.ravel_multi_index((*moved, self.automaton.next[stages, event]), self.shape))

    def broken(self, states: Array) -> npt.NDArray[np.bool_]:
        """(states, constraints): which constraints a chain that ends in each state breaks, but for large metrics."""
        *levels, stages = np.unravel_index(states, self.shape)
        rules = iter(range(len(self.automaton.rules)))
        result = np.zeros((len(states), len(self.constraints)), dtype=bool)
        known = {f.name: (f, level) for f, level in zip(self.small, levels, strict=True)}
        for i, constraint in enumerate(self.constraints):
            name = metric_of(constraint)
            if constraint.metric in STRUCTURE:
                result[:, i] = ~self.automaton.verdicts[stages, next(rules)]
            elif name in known:
                metric, level = known[name]
                result[:, i] = ~np.array([constraint.holds(v) for v in metric.values], dtype=bool)[level]
            elif name not in ADDED:
                result[:, i] = self._constant(constraint)
        return result

    def broken_by(self, levels: Sequence[int]) -> set[int]:
        """Places of the constraints that the large metrics break at these levels."""
        values = {f.name: f.value(level) for f, level in zip(self.large, levels, strict=True)}
        return {
            i for i, c in enumerate(self.constraints) if metric_of(c) in values and not c.holds(values[metric_of(c)])
        }

    def breaks_at_top(self, metric: Large) -> bool:
        """Whether a large metric that reaches its top breaks a constraint."""
        value = metric.value(metric.top)
        return any(metric_of(c) == metric.name and not c.holds(value) for c in self.constraints)

    def turns(self, metric: Large) -> set[int]:
        """Values of a large metric at which the verdict of some constraint changes from the value just below."""
        return _turns(c for c in self.constraints if metric_of(c) == metric.name)

    def points(self, metric: Large) -> set[int]:
        """The same as levels."""
        return {metric.level(value) for value in self.turns(metric)} - {0}

    def _constant(self, constraint: Constraint) -> bool:
        """Whether every network of the form breaks a constraint on what its form alone decides."""
        row = np.zeros((1, len(self.vector.space.columns)), dtype=np.int64)
        row[0, self.vector.space.columns["form"]] = self.form
        return not self.vector.verdicts(row, [constraint])[0, 0]


def track(vector: Vector, constraints: Sequence[Constraint], form: int) -> TrackedMetrics | None:
    """Choose what a count of one form tracks; None where more than MOST_LARGE metrics are too large for a state."""
    constraints = [based(c) for c in constraints]
    limits: dict[str, list[Constraint]] = {}
    for c in constraints:
        if metric_of(c) in (*ADDED, *GREATEST):
            limits.setdefault(metric_of(c), []).append(c)
    small = {name: _small(vector, name, several) for name, several in limits.items()}
    largest = sorted((n for n in small if n in ADDED), key=lambda n: (n != "params", -small[n].cap, n))
    large = [n for n in largest if n == "params"]  # whose histogram is wanted
    while prod(small[n].cap + 1 for n in small if n not in large) > MOST_SMALL:
        if len(large) == min(MOST_LARGE, len(largest)):
            return None
        large = largest[: len(large) + 1]
    rules = tuple(c for c in constraints if c.metric in STRUCTURE)
    return TrackedMetrics(
        vector=vector,
        constraints=tuple(constraints),
        form=form,
        large=tuple(_large(vector, name, limits[name], form) for name in large),
        small=tuple(small[name] for name in sorted(set(small) - set(large))),
        automaton=vector.automaton(rules),
    )


def _small(vector: Vector, name: str, limits: Sequence[Constraint]) -> Small:
    if name in GREATEST:
        points = tuple(sorted(_turns(limits)))
        return Small(name=name, divisor=1, points=points, values=(min(points, default=1) - 1, *points))
    divisor = _divisor(slot.metrics[name] for slot in vector.tables.slots)
    start = int(name == "receptive_field")
    cap = max([0, *(-((start - turn) // divisor) for turn in _turns(limits))])
    return Small(name=name, divisor=divisor, points=(), values=range(start, start + (cap + 1) * divisor, divisor))


def _large(vector: Vector, name: str, limits: Sequence[Constraint], form: int) -> Large:
    """In multiples of a divisor of what every layer adds, and of what any head adds beyond the least."""
    tables = [slot.metrics[name][form] for slot in vector.tables.slots]
    least = int(tables[-1].min())
    divisor = _divisor([*tables[:-1], tables[-1] - least])
    start = least + (name == "receptive_field")
    top = max([0, *(-((start - turn) // divisor) for turn in _turns(limits))])
    return Large(name=name, start=start, divisor=divisor, top=top)


def _turns(constraints: Iterable[Constraint]) -> set[int]:
    return {turn for c in constraints for turn in c.turns}


def _divisor(tables: Iterable[Array]) -> int:
    values = np.unique(np.concatenate([table.ravel() for table in tables]))
    return gcd(*values.tolist()) or 1
