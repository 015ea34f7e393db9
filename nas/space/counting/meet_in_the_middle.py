"""Where the halves of networks meet: pairs counted by the sums of their values, without forming them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from nas.space.counting.half_paths import LARGEST, Counts, Points
from nas.space.counting.tracked_metrics import Array

_LIMB = 21
"""Bits of the pieces in which long numbers are multiplied."""
_CHUNK = 1 << 20
"""Products of pieces that are added at once: their sum stays below 2^62."""


def pairs_below(before: Points, after: Points, limits: Sequence[Sequence[int]]) -> dict[tuple[int, ...], int]:
    """How many pairs have sums below each combination of limits, one limit of each large metric.

    All of ``before`` lead to one class, from which all of ``after`` start; both are sorted by the first metric.
    """
    sums = _Sums(after)
    return {
        wanted: exact_dot(
            before.counts, sums.below([limit - u for limit, u in zip(wanted, before.multiples, strict=True)])
        )
        for wanted in product(*limits)
    }


class _Sums:
    """Sums of counts over the points below limits, for up to two metrics.

    For two, the points in the order of the first metric are cut into blocks of 1, 2, 4, ... points, each sorted by the
    second; the points below a limit of the first are a few whole blocks, one for each binary digit of their number
    (Bentley, Decomposable searching problems, 1979).
    """

    def __init__(self, points: Points) -> None:
        self._first = points.multiples[0] if points.multiples else np.zeros(len(points.counts), dtype=np.int64)
        self._total = _summed(points.counts)
        self._second = points.multiples[1] if len(points.multiples) > 1 else None
        self._span = 1 + int(self._second.max(initial=0)) if self._second is not None else 0
        self._blocks: list[tuple[Array, Counts]] = []
        if self._second is not None:
            for level in range(len(self._first).bit_length()):
                keys = (np.arange(len(self._first)) >> level) * self._span + self._second
                order = np.argsort(keys)  # the quickest: equal keys are summed together
                self._blocks.append((keys[order], _summed(points.counts[order])))

    def below(self, limits: Sequence[Array]) -> Counts:
        """For each row of limits the sum of the counts of all points below every one."""
        if not limits:
            return self._total[-1:]
        numbers = np.searchsorted(self._first, limits[0])
        if self._second is None or limits[1].min(initial=self._span) >= self._span:
            return self._total[numbers]
        return self._in_blocks(numbers, np.clip(limits[1], 0, self._span))

    def _in_blocks(self, numbers: Array, limits: Array) -> Counts:
        found = np.zeros(len(numbers), dtype=np.int64)
        for level, (keys, summed) in enumerate(self._blocks):
            at = np.flatnonzero(numbers >> level & 1)
            block = (numbers[at] >> level) - 1
            ends = np.searchsorted(keys, block * self._span + limits[at])
            found[at] += summed[ends] - summed[block << level]
        return found


def _summed(counts: Counts) -> Counts:
    return np.concatenate([np.zeros(1, dtype=counts.dtype), np.cumsum(counts)])


def exact_dot(a: Counts, b: Counts) -> int:
    """The sum of products of whole numbers from 0 to 2^62, exact however large it gets."""
    if a.dtype == object or a.sum(dtype=np.float64) * float(b.max(initial=0)) < LARGEST:
        return int(np.dot(a, b))
    total, mask = 0, (1 << _LIMB) - 1
    for start in range(0, len(a), _CHUNK):
        x, y = a[start : start + _CHUNK], b[start : start + _CHUNK]
        for i, j in product(range(3), repeat=2):
            part = np.dot((x >> _LIMB * i) & mask, (y >> _LIMB * j) & mask)
            total += int(part) << _LIMB * (i + j)
    return total
