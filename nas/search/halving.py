"""ASHA: which paused candidate is promoted to the next rung.

Asynchronous successive halving after Li et al., A System for Massively Parallel Hyperparameter Tuning (2020), Algorithm
2: a candidate pauses at every rung, and is promoted as soon as it is among the best of those that reached it. How many
are promoted depends on the first rung: of n candidates there, n / RUNG_FACTOR pass it, n / RUNG_FACTOR ** 2 pass the
second, and so on. Algorithm 2 takes the share of the candidates at each rung instead, so that the best candidate of a
rung waits there until a second one reaches it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from nas.search.objectives import Objectives

FIRST_RUNG = 1
"""Epochs of the first rung of a new study: at least this many, ..."""
FIRST_SHARE = 20
"""... and at least this fraction of the full budget, so that long trainings are compared as late as short ones."""
EARLIER_FIRST_RUNG = 2
"""The first rung of studies made by earlier releases, which did not store it."""
RUNG_FACTOR = 2
"""Each rung has this many times the epochs of the one before; one in this many of its candidates is promoted."""
MOST_WAITING = 1_000
"""Most candidates that wait at a rung; worse ones are pruned, since all of these would be promoted first."""
STALE_SHARE = 0.001
"""A rung is ranked again once its new candidates exceed this share of the ranked ones."""


def first_rung(epochs: int) -> int:
    """Fewest epochs of the first rung of a new study with an epoch budget of ``epochs``.

    It is one epoch, and from 40 epochs on a twentieth of them, so that rungs are at about the same shares of the
    schedule in a training of any length: 1, 2, 5, 10, 20 of 20 epochs, 6, 12, 25, 50, 100 of 100. With rungs down to
    one epoch, a search of 400 epochs would need 256 candidates before it promotes one of them to the last rung.
    """
    return max(FIRST_RUNG, epochs // FIRST_SHARE)


def rungs(epochs: int, first: int = FIRST_RUNG) -> list[int]:
    """The epochs at which a candidate is compared with the others: the full budget, its half, a quarter, ...

    None but the last is below ``first``.
    """
    levels = [epochs]
    while levels[0] // RUNG_FACTOR >= first:
        levels.insert(0, levels[0] // RUNG_FACTOR)
    return levels


def mean_epochs(epochs: int, first: int = FIRST_RUNG) -> float:
    """Average epochs per candidate for a budget of ``epochs``, where one in RUNG_FACTOR passes each rung."""
    levels = [0, *rungs(epochs, first)]
    return math.fsum((level - before) / RUNG_FACTOR**passed for passed, (before, level) in enumerate(pairwise(levels)))


class Halving:
    """The score of every candidate at every rung that it reached."""

    def __init__(self, levels: list[int], objectives: Objectives) -> None:
        """``levels`` are the epochs of the rungs; the last one is the full budget of a candidate."""
        self.levels = levels
        self._objectives = objectives
        self._reached: dict[int, dict[int, tuple[float, ...]]] = {level: {} for level in self.levels}
        self._places: dict[int, dict[int, int]] = {level: {} for level in self.levels}
        """Rank of each trial that reached a rung, best first, as of the last ranking."""
        self._new: Counter[int] = Counter()
        """Trials that reached a rung since its last ranking."""

    def add(self, number: int, epoch: int, values: tuple[float, ...]) -> None:
        """Note the score of trial ``number`` after ``epoch``; only rungs count."""
        if epoch in self._reached:
            self._reached[epoch][number] = values
            self._new[epoch] += 1

    def until(self, trained: int) -> int:
        """The epoch up to which a candidate with ``trained`` epochs trains next."""
        return next((level for level in self.levels if level > trained), self.levels[-1])

    def promoted(self, paused: Mapping[int, int], *, is_last: bool) -> int | None:
        """Which of the paused trials (number -> epochs trained) is promoted now: the best on the highest rung.

        ``is_last`` means that no new candidate will come: then the share of every rung is rounded up, so that at least
        one candidate of each is promoted.
        """
        for passed, level in reversed(list(enumerate(self.levels, start=1))):
            waiting = self._waiting(level, paused, exact=is_last)
            share = self._share(passed)
            if waiting and self._places[level][waiting[0]] < (math.ceil(share) if is_last else math.floor(share)):
                return waiting[0]
        return None

    def standing(self, number: int, level: int, *, count: int | None = None, is_last: bool = False) -> str:
        """How a trial compares with the others at a rung, and how many are promoted: ``count``, or the rung's share.

        Empty where it did not reach that rung, or where it is the last one.
        """
        if number not in self._reached.get(level, {}) or level == self.levels[-1]:
            return ""
        if self._new[level]:
            self._rank(level)
        share = self._share(self.levels.index(level) + 1)
        going = count or (math.ceil(share) if is_last else math.floor(share))
        place = _ordinal(self._places[level][number] + 1)
        return f"{place} of {len(self._reached[level])} at epoch {level}: top {going} promoted"

    def count(self, level: int) -> int:
        """How many trials reached a rung."""
        return len(self._reached[level])

    def leader(self, paused: Mapping[int, int], level: int, count: int) -> int | None:
        """The best of the paused trials that wait at a rung, where it is among the ``count`` best that reached it."""
        waiting = self._waiting(level, paused, exact=True)
        return waiting[0] if waiting and self._places[level][waiting[0]] < count else None

    def _share(self, passed: int) -> float:
        """How many candidates may pass so many rungs."""
        share: float = len(self._reached[self.levels[0]]) / RUNG_FACTOR**passed
        return share

    def surplus(self, paused: Mapping[int, int]) -> list[int]:
        """Which of the paused trials end, because MOST_WAITING better ones wait at their rung."""
        return [n for level in self.levels for n in self._waiting(level, paused)[MOST_WAITING:]]

    def _waiting(self, level: int, paused: Mapping[int, int], *, exact: bool = False) -> Sequence[int]:
        """The ranked ones of those that wait at a rung, best first."""
        waiting = [number for number, trained in paused.items() if trained == level]
        if waiting and self._new[level] > (0 if exact else STALE_SHARE * len(self._reached[level])):
            self._rank(level)
        places = self._places[level]
        return sorted((number for number in waiting if number in places), key=places.__getitem__)

    def _rank(self, level: int) -> None:
        numbers = sorted(self._reached[level])
        values = np.array([self._reached[level][number] for number in numbers], dtype=np.float64)
        order = self._objectives.order(values)
        self._places[level] = {numbers[index]: place for place, index in enumerate(order.tolist())}
        self._new[level] = 0


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
