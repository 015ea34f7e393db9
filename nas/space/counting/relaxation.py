"""The smallest change of one constraint that lets some network of a space pass, by exact counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import floor
from typing import NamedTuple

from constraints.rules import Constraint
from nas.space.bulk_metrics import Vector
from nas.space.counting import exact_count
from nas.space.counting.ranges import ranges


class Relaxation(NamedTuple):
    """A constraint, the value nearest to its limit that would have to pass, and how far off that is."""

    constraint: Constraint
    value: int
    distance: float
    """In parts of the limit."""


def smallest(vector: Vector, constraints: Sequence[Constraint]) -> Relaxation | None:
    """The nearest relaxation of one constraint; None where no single one suffices, or counts take too much."""
    count = exact_count.count(vector, constraints)
    if count is None:
        return None
    best: Relaxation | None = None
    for i in sorted(range(len(constraints)), key=lambda i: -count.alone[i]):
        if count.alone[i]:
            others = [c for k, c in enumerate(constraints) if k != i]
            found = _nearest(vector, constraints[i], others, best.distance if best is not None else None)
            best = found or best
    return best


def _nearest(
    vector: Vector, constraint: Constraint, others: Sequence[Constraint], within: float | None
) -> Relaxation | None:
    """The value nearest to a constraint's limit that a network has which keeps the others; None where none is."""
    low, high = (floor(end) for end in ranges(vector)[constraint.metric])
    limit = floor(constraint.limit)
    scale = max(1.0, abs(float(constraint.limit)))
    most = max(abs(high - limit), abs(limit - low)) + 1
    if within is not None:
        most = min(most, floor(within * scale))

    def some(gap: int) -> bool:
        asked = [replace(constraint, op=op, limit=n) for op, n in _within(constraint, limit, gap)]
        return bool(exact_count.feasible(vector, [*others, *asked]))

    gap = _first(some, most)
    if gap is None:
        return None
    is_above = constraint.op in ("<", "<=") or (
        constraint.op in ("==", "!=")
        and bool(exact_count.feasible(vector, [*others, replace(constraint, op="==", limit=limit + gap)]))
    )
    return Relaxation(constraint, limit + gap if is_above else limit - gap, gap / scale)


def _within(constraint: Constraint, limit: int, gap: int) -> list[tuple[str, int]]:
    """What lets values pass that are no further than ``gap`` beyond the limit."""
    if constraint.op in ("<", "<="):
        return [("<=", limit + gap)]
    if constraint.op in (">", ">="):
        return [(">=", limit - gap)]
    return [(">=", limit - gap), ("<=", limit + gap)]


def _first(holds: Callable[[int], bool], most: int) -> int | None:
    """The least number up to ``most`` for which ``holds``, which then holds for all after it.

    Looks nearby first, where little has to be counted.
    """
    low, step = 0, 1
    while low <= most and not holds(min(low + step, most)):
        low += step + 1
        step *= 4
    if low > most:
        return None
    high = min(low + step, most)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
