"""Pareto dominance: non-domination ranks of values to be minimised, and the front, which is rank 0.

A row dominates another one if no value is larger and at least one is smaller. No row dominates those of rank 0, only
rows of rank 0 dominate those of rank 1, and so on (Deb et al., *A fast and elitist multiobjective genetic algorithm:
NSGA-II*, 2002). Equal rows have the same rank. NaN counts as infinity.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import inf, isnan


def front(losses: Sequence[Sequence[float]]) -> list[bool]:
    """Whether no other row dominates each row of losses; as expensive as ``ranks``."""
    return [rank == 0 for rank in ranks(losses)]


def ranks(losses: Sequence[Sequence[float]]) -> list[int]:
    """The rank of each row of losses; rows are lists of equal length, such as an array's ``tolist()``.

    One or two objectives take n log n steps, three n log n for each binary digit of the number of ranks (so n log n if
    all rows are on the front), four or more n^2. Raises ValueError for empty rows, or rows of different lengths.
    """
    widths = {len(row) for row in losses}
    if len(widths) > 1 or 0 in widths:
        raise ValueError(f"rows of {', '.join(map(str, sorted(widths)))} losses: give as many of each row, one or more")
    rows = [_known(row) if isnan(sum(row)) else tuple(row) for row in losses]
    different = sorted(set(rows))
    rank_of = dict(zip(different, _ranks(different), strict=True))
    return [rank_of[row] for row in rows]


def _known(row: Sequence[float]) -> tuple[float, ...]:
    return tuple(inf if isnan(value) else value for value in row)


def _ranks(rows: list[tuple[float, ...]]) -> list[int]:
    """The ranks of distinct rows in lexicographic order, so that only earlier rows can dominate one."""
    objectives = len(rows[0]) if rows else 1
    if objectives == 1:
        return list(range(len(rows)))
    if objectives == 2:
        return _of_two([second for _, second in rows])
    if objectives == 3:
        return _of_three([(x, y) for _, x, y in rows])
    return _longest_chains(rows)


def _of_two(seconds: list[float]) -> list[int]:
    """Ranks by the second value: patience sorting, which keeps each rank's least second value in a sorted list."""
    least: list[float] = []
    found = []
    for second in seconds:
        rank = bisect_right(least, second)  # each lower rank has a row that dominates this one
        least[rank : rank + 1] = [second]
        found.append(rank)
    return found


def _of_three(rests: list[tuple[float, float]]) -> list[int]:
    """Ranks by the second and third value, each found by bisection over the ranks so far.

    A row that rank r dominates is also dominated by every rank below r (Zhang et al., *An efficient approach to
    nondominated sorting for evolutionary multiobjective optimization*, 2015).
    """
    stairs: list[_Staircase] = []
    found = []
    for x, y in rests:
        rank = bisect_left(stairs, True, key=lambda stair: not stair.dominates(x, y))
        if rank == len(stairs):
            stairs.append(_Staircase())
        stairs[rank].add(x, y)
        found.append(rank)
    return found


class _Staircase:
    """Points (x, y) that no other point dominates, by ascending x and descending y."""

    def __init__(self) -> None:
        self._x: list[float] = []
        self._y: list[float] = []

    def dominates(self, x: float, y: float) -> bool:
        """Whether some point has no larger coordinate than (x, y)."""
        step = bisect_right(self._x, x)
        return step > 0 and self._y[step - 1] <= y

    def add(self, x: float, y: float) -> None:
        """Add a point that no other dominates; removes those that it dominates."""
        first = last = bisect_left(self._x, x)
        while last < len(self._y) and self._y[last] >= y:
            last += 1
        self._x[first:last], self._y[first:last] = [x], [y]


def _longest_chains(rows: list[tuple[float, ...]]) -> list[int]:
    """Ranks by all values except the first: the length of the longest chain of dominating rows before each."""
    import numpy as np  # a leaderboard with fewer objectives does not need it

    columns = np.array(rows, dtype=np.float64)[:, 1:].T.copy()
    found = np.zeros(len(rows), dtype=np.intp)
    for i, rest in enumerate(columns.T):
        dominating = (columns[:, :i] <= rest[:, None]).all(axis=0)
        found[i] = found[:i][dominating].max(initial=-1) + 1
    return [int(rank) for rank in found]
