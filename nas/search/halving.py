"""Asynchronous successive halving: who of the candidates trained so far goes on to the next rung.

Li et al., A System for Massively Parallel Hyperparameter Tuning (2020), Algorithm 2: a candidate pauses at every rung,
and goes on as soon as it is among the best 1 / RUNG_FACTOR of all that reached it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nas.search.objectives import Objectives

FIRST_RUNG = 2
"""Fewest epochs of a first rung."""
RUNG_FACTOR = 2
"""How many times as long each further rung is, and which part of a rung's candidates goes on."""


def rungs(epochs: int) -> list[int]:
    """The epochs at which a candidate is compared with the others: the full budget, its half, a quarter, ..."""
    levels = [epochs]
    while levels[0] // RUNG_FACTOR >= FIRST_RUNG:
        levels.insert(0, levels[0] // RUNG_FACTOR)
    return levels


class Halving:
    """What every candidate was worth at every rung that it reached."""

    def __init__(self, epochs: int, objectives: Objectives) -> None:
        """``epochs`` is the full budget of a candidate."""
        self.levels = rungs(epochs)
        self._objectives = objectives
        self._reached: dict[int, dict[int, tuple[float, ...]]] = {level: {} for level in self.levels}
        self._ranked: dict[int, list[int]] = {}
        """Numbers of the trials that reached a rung, best first; made when it is asked for."""

    def add(self, number: int, epoch: int, values: tuple[float, ...]) -> None:
        """Note what trial ``number`` is worth after ``epoch``; only rungs count."""
        if epoch in self._reached:
            self._reached[epoch][number] = values
            self._ranked.pop(epoch, None)

    def until(self, trained: int) -> int:
        """Up to which epoch a candidate with ``trained`` epochs goes next."""
        return next((level for level in self.levels if level > trained), self.levels[-1])

    def promoted(self, paused: Mapping[int, int], *, is_last: bool) -> int | None:
        """Which of the paused trials (number -> epochs trained) goes on now: the best on the highest rung.

        ``is_last`` says that no candidate will come any more: then the last part of a rung is rounded up, so that
        somebody goes on from each.
        """
        waiting = set(paused.values())
        for level in reversed(self.levels):
            if level in waiting:
                for number in self._better(level, is_last=is_last):
                    if paused.get(number) == level:
                        return number
        return None

    def _better(self, level: int, *, is_last: bool) -> list[int]:
        share = len(self._reached[level]) / RUNG_FACTOR
        return self._order(level)[: math.ceil(share) if is_last else math.floor(share)]

    def _order(self, level: int) -> list[int]:
        if level not in self._ranked:
            reached = self._reached[level]
            numbers = sorted(reached)
            values = np.array([reached[number] for number in numbers], dtype=np.float64)
            self._ranked[level] = [numbers[i] for i in self._objectives.order(values)] if numbers else []
        return self._ranked[level]
