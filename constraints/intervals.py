"""Intervals of numbers: which values an operator of a constraint allows; exact, no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, inf

Number = int | float | Decimal
"""A metric or a limit; a bool counts as 0 or 1, as in Python."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The numbers from ``low`` to ``high``; an infinite end means no bound on that side.

    Python compares an integer, a float and a Decimal exactly, however large they are.
    """

    low: Number = -inf
    high: Number = inf
    has_low: bool = True
    """Whether ``low`` itself is included."""
    has_high: bool = True

    def __contains__(self, value: Number) -> bool:
        """Whether ``value`` is in the interval; NaN is in none."""
        if value != value:  # noqa: PLR0124  # true for NaN only, which a Decimal refuses to compare
            return False
        above = self.low <= value if self.has_low else self.low < value
        return above and (value <= self.high if self.has_high else value < self.high)

    def covers(self, other: Interval) -> bool:
        """Whether every number of ``other`` is in the interval."""
        low = self.low < other.low or (self.low == other.low and (self.has_low or not other.has_low))
        high = self.high > other.high or (self.high == other.high and (self.has_high or not other.has_high))
        return low and high

    def turns(self) -> Iterator[int]:
        """The smallest integer in it, and the smallest above it, for finite ends; equal if it contains no integer."""
        if self.low > -inf:
            yield ceil(self.low) if self.has_low else floor(self.low) + 1
        if self.high < inf:
            yield floor(self.high) + 1 if self.has_high else ceil(self.high)

    def change(self, value: Number) -> float:
        """The change that moves a value into the interval; negative for a decrease.

        If the nearest end is excluded and an integer distance away, the change goes one step beyond it.
        """
        if value in self:
            return 0.0
        is_below = value < self.low or (value == self.low and not self.has_low)
        end, has_end, step = (self.low, self.has_low, 1) if is_below else (self.high, self.has_high, -1)
        exact = Fraction(end) - Fraction(value)
        return float(exact + step if not has_end and exact.denominator == 1 else exact)
