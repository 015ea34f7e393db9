"""Every feasible network of a large space that has few of them.

Branch and bound: prefixes whose best completion still breaks a bound are pruned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constraints.rules import Constraint
from nas.space.bulk_metrics import ALIASES, Mask, Vector
from nas.space.layer_tables import ADDED, Slot
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
        forms = [_Form(vector, constraints, form).rows() for form in range(len(vector.space.forms))]
    except _TooManyError:
        return None
    rows = np.unique(vector.canonical(np.concatenate(forms)), axis=0)
    rows = rows[vector.feasible(rows, constraints)]
    for name in ("norm", "activation"):
        values = len(vector.space.parameters[name])
        rows = np.repeat(rows, values, axis=0)
        rows[:, vector.space.columns[name]] = np.tile(np.arange(values), len(rows) // values)
    return np.unique(rows, axis=0)


@dataclass(frozen=True)
class _Prefixes:
    """Encoded candidates whose later columns are open, and what their layers add up to so far."""

    rows: Encoded
    totals: Floats
    """(n, bounded metrics)."""

    def of(self, chosen: Mask) -> _Prefixes:
        return _Prefixes(self.rows[chosen], self.totals[chosen])

    def with_each(self, column: int, added: Floats) -> _Prefixes:
        """Each value of a column on each row; ``added`` is (n, values, metrics)."""
        n, values, _ = added.shape
        if n * values > MOST_ROWS:
            raise _TooManyError
        rows = np.repeat(self.rows, values, axis=0)
        rows[:, column] = np.tile(np.arange(values), n)
        return _Prefixes(rows, (self.totals[:, None] + added).reshape(n * values, self.totals.shape[1]))


class _Rest(NamedTuple):
    """What can follow at least, or at most."""

    entered: dict[int, Floats]
    """By stage, from its first layer on: (widths, metrics); the head counts as a stage."""
    inside: dict[tuple[int, int], Floats]
    """By stage and layer, behind that layer: (depths, widths, metrics)."""


class _Form:
    """The networks of one form."""

    def __init__(self, vector: Vector, constraints: Sequence[Constraint], form: int) -> None:
        self.space, self.columns, self.form = vector.space, vector.space.columns, form
        bounds = _bounds(constraints)
        self.low, self.high = (np.array([ends[side] for ends in bounds.values()]) for side in (0, 1))
        self.slots = {(s.stage, s.layer): _table(s, form, list(bounds)) for s in vector.tables.slots}
        """(widths, residuals or next widths, words, metrics)."""
        self.start = np.array([[float(name == "receptive_field") for name in bounds]])
        self.head = len(self.space.stages) + 1
        self.rests = self._rest(np.minimum), self._rest(np.maximum)

    def rows(self) -> Encoded:
        """The candidates that no bound rules out."""
        empty = np.zeros((1, len(self.columns)), dtype=np.int64)
        empty[:, self.columns["form"]] = self.form
        found = self._open(_Prefixes(empty, self.start), "c1.width")
        for number in range(1, self.head):
            found = self._stage(number, found)
        heads = self.slots[self.head, 0][found.rows[:, self.columns["last.width"]], 0]
        found = found.with_each(self.columns["head"], heads)
        return found.of(self._can_keep_bounds(found, np.zeros(1), np.zeros(1))).rows

    def _stage(self, number: int, found: _Prefixes) -> _Prefixes:
        depths = np.array(self.space.stages[number - 1].depth)
        found = self._open(self._open(found, f"c{number}.residual"), f"c{number}.depth")
        for layer in range(1, int(depths.max())):
            has_it = depths[found.rows[:, self.columns[f"c{number}.depth"]]] > layer
            rest, some = found.of(~has_it), found.of(has_it)
            added = self._of_rows(some, number, layer)
            some = some.with_each(self.columns[f"c{number}.layer{layer}"], added)
            some = some.of(self._can_keep_bounds(some, *(self._inside(some, number, layer, r) for r in self.rests)))
            found = _Prefixes(np.concatenate([rest.rows, some.rows]), np.concatenate([rest.totals, some.totals]))
        following = "last.width" if number + 1 == self.head else f"c{number + 1}.width"
        found = self._open(found, following)
        at = found.rows[:, self.columns[f"c{number}.width"]], found.rows[:, self.columns[following]]
        found = found.with_each(self.columns[f"c{number}.down"], self.slots[number, 0][at])
        after = found.rows[:, self.columns[following]]
        return found.of(self._can_keep_bounds(found, *(rest.entered[number + 1][after] for rest in self.rests)))

    def _open(self, found: _Prefixes, name: str) -> _Prefixes:
        """Each value of a parameter that adds nothing by itself."""
        values = len(self.space.parameters[name])
        return found.with_each(self.columns[name], np.zeros((len(found.rows), values, len(self.low))))

    def _of_rows(self, found: _Prefixes, number: int, layer: int) -> Floats:
        table = self.slots[number, layer]
        width, residual = (found.rows[:, self.columns[f"c{number}.{name}"]] for name in ("width", "residual"))
        return np.asarray(table[width, np.minimum(residual, table.shape[1] - 1)])

    def _can_keep_bounds(self, found: _Prefixes, least: Floats, most: Floats) -> Mask:
        """Which rows can keep the bounds when ``least`` to ``most`` follows."""
        return np.asarray(((found.totals + least <= self.high) & (found.totals + most >= self.low)).all(axis=1))

    def _inside(self, found: _Prefixes, number: int, layer: int, rest: _Rest) -> Floats:
        """What follows layer ``layer`` of a stage, by each row's depth and width."""
        depth, width = (found.rows[:, self.columns[f"c{number}.{name}"]] for name in ("depth", "width"))
        return rest.inside[number, layer][depth, width]

    def _rest(self, pick: np.ufunc) -> _Rest:
        """The least (or the most) that can follow, each metric by itself."""
        entered = {self.head: pick.reduce(self.slots[self.head, 0][:, 0], axis=1)}
        inside = {}
        for number in range(self.head - 1, 0, -1):
            stage = self.space.stages[number - 1]
            last = pick.reduce(self.slots[number, 0], axis=2) + entered[number + 1][None]
            after = pick.reduce(last, axis=1)
            for layer in range(max(stage.depth) - 1, -1, -1):
                bodies = {
                    k: pick.reduce(self.slots[number, k], axis=(1, 2)) for k in range(layer + 1, max(stage.depth))
                }
                ends = [after + sum(b for k, b in bodies.items() if k < depth) for depth in stage.depth]
                inside[number, layer] = np.stack(ends)
            entered[number] = pick.reduce(inside[number, 0], axis=0)
        return _Rest(entered, inside)


def _table(slot: Slot, form: int, names: Sequence[str]) -> Floats:
    """(widths, residuals or next widths, words, metrics), without the word that means no layer."""
    words = slot.events.shape[-1] - (slot.layer > 0)
    tables = [slot.figures[name][form, :, :, :words] for name in names]
    return np.stack(tables, axis=-1).astype(float) if tables else np.zeros((*slot.events.shape[1:3], words, 0))


def _bounds(constraints: Sequence[Constraint]) -> dict[str, tuple[float, float]]:
    """The least and the greatest value that each bounded metric may have."""
    bounds: dict[str, tuple[float, float]] = {}
    for c in constraints:
        name, hull = ALIASES.get(c.metric, c.metric), c.hull
        if name in ADDED and (hull.low > -inf or hull.high < inf):
            low, high = bounds.get(name, (-inf, inf))
            bounds[name] = max(low, float(hull.low)), min(high, float(hull.high))
    return bounds
