"""The smallest change of one constraint that lets some network of a space pass, by exact counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import floor
from typing import NamedTuple

from constraints.rules import Constraint
from nas.space.bulk_metrics import Vector
from nas.space.counting import exact_count
from nas.space.counting.metric_ranges import ranges
from nas.space.stage_automaton import STRUCTURE


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
        if count.alone[i] or constraints[i].metric in STRUCTURE:  # without one, stand-ins may keep the others
            others = [c for k, c in enumerate(constraints) if k != i]
            found = _nearest(vector, constraints[i], others, best.distance if best is not None else None)
            best = found or best
    return best


def _nearest(
    vector: Vector, constraint: Constraint, others: Sequence[Constraint], within: float | None
) -> Relaxation | None:
    """The value nearest to a constraint's limit that a network has which keeps the others; None where none is."""
    found = ranges(vector)
    low, high = (floor(end) for end in found[constraint.metric])
    if constraint.metric in STRUCTURE:  # stand-ins make more stages, of fewer convolutions
        low, high = 0, max(high, floor(found["convs"][1]))
    scale = max(1.0, abs(float(constraint.limit)))
    ends = _ends(constraint, 0)
    least = max(0, min(max(low - end, end - high) for end in ends) - 1)  # no network has a value within less
    most = max(max(abs(high - end), abs(end - low)) for end in ends) + 1
    if within is not None:
        most = min(most, floor(within * scale))

    def some(gap: int) -> bool:
        return any(exact_count.feasible(vector, [*others, *asked]) for asked in constraint.relaxed(gap))

    gap = _first(some, least, most)
    if gap is None:
        return None
    *nearer, last = _ends(constraint, gap)
    exactly = (replace(constraint, op="==", limit=end) for end in nearer)
    met = (c.limit for c in exactly if exact_count.feasible(vector, [*others, c]))
    return Relaxation(constraint, floor(next(met, last)), gap / scale)


def _ends(constraint: Constraint, gap: int) -> list[int]:
    """The values that are just ``gap`` beyond a limit, the greatest first."""
    return sorted({floor(bound.limit) for asked in constraint.relaxed(gap) for bound in asked}, reverse=True)


def _first(holds: Callable[[int], bool], least: int, most: int) -> int | None:
    """The least number from ``least`` to ``most`` for which ``holds``, which then holds for all after it.

    Looks nearby first, where little has to be counted.
    """
    low, step = least, 1
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
