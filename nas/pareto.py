"""Pareto dominance: the non-domination ranks of values that are all to be minimised, and the front, which is rank 0.

A row dominates another where it is at most as large in every value and smaller in one. The rows of rank 0 are dominated
by none, those of rank 1 by rows of rank 0 only, and so on (Deb et al., *A fast and elitist multiobjective genetic
algorithm: NSGA-II*, 2002). Equal rows share a rank. A value that is not a number counts as infinity.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]


def front(losses: Floats) -> npt.NDArray[np.bool_]:
    """Which rows of (n, objectives) losses no other row dominates; the cost is that of ``ranks``."""
    return np.asarray(ranks(losses) == 0)


def ranks(losses: Floats) -> Integers:
    """The rank of each row of (n, objectives) losses.

    One or two objectives take n log n steps, three n log n for each binary digit of the number of ranks (so n log n
    where all rows are on the front), four or more n^2. Raises ValueError for another shape.
    """
    if losses.ndim != 2 or not losses.shape[1]:
        raise ValueError(f"losses of shape {losses.shape}: give an array (rows, objectives)")
    losses = np.where(np.isnan(losses), np.inf, losses)
    order = np.lexsort(losses.T[::-1])
    rows = losses[order]
    is_new = np.ones(len(rows), dtype=bool)
    is_new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    found = np.empty(len(rows), dtype=np.intp)
    found[order] = _ranks(rows[is_new])[np.cumsum(is_new) - 1]
    return found


def _ranks(rows: Floats) -> Integers:
    """The ranks of rows that differ and are in lexicographic order, so that each is dominated by earlier ones only."""
    objectives = rows.shape[1]
    if objectives == 1:
        return np.arange(len(rows))
    if objectives == 2:
        return np.array(_of_two(rows[:, 1].tolist()), dtype=np.intp)
    if objectives == 3:
        return np.array(_of_three(rows[:, 1:].tolist()), dtype=np.intp)
    return _longest_chains(np.ascontiguousarray(rows[:, 1:].T))


def _of_two(seconds: list[float]) -> list[int]:
    """Ranks by the second value: patience sorting, which keeps the least second value of each rank in order."""
    least: list[float] = []
    found = []
    for second in seconds:
        rank = bisect_right(least, second)  # the ranks before hold a row that dominates this one
        least[rank : rank + 1] = [second]
        found.append(rank)
    return found


def _of_three(rests: list[list[float]]) -> list[int]:
    """Ranks by the second and third value, each found by bisection over the ranks so far.

    A row that rank r dominates is dominated by every rank below r, too (Zhang et al., *An efficient approach to
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
    """The points (x, y) of which no other one is at most as large in both, by ascending x and descending y."""

    def __init__(self) -> None:
        self._x: list[float] = []
        self._y: list[float] = []

    def dominates(self, x: float, y: float) -> bool:
        """Whether some point is at most as large in both."""
        step = bisect_right(self._x, x)
        return step > 0 and self._y[step - 1] <= y

    def add(self, x: float, y: float) -> None:
        """Add a point that none dominates, in place of those that it dominates."""
        first = last = bisect_left(self._x, x)
        while last < len(self._y) and self._y[last] >= y:
            last += 1
        self._x[first:last], self._y[first:last] = [x], [y]


def _longest_chains(columns: Floats) -> Integers:
    """Ranks by all values but the first, (values, rows): how long a chain of dominating rows leads to each."""
    found = np.zeros(columns.shape[1], dtype=np.intp)
    for i, rest in enumerate(columns.T):
        dominating = (columns[:, :i] <= rest[:, None]).all(axis=0)
        found[i] = found[:i][dominating].max(initial=-1) + 1
    return found
