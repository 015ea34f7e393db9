"""Intervals of numbers: which values an operator of a constraint allows; exact, no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, inf

Number = int | float | Decimal
"""A metric or a limit; a truth value counts as the integer that it is in Python."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The numbers from ``low`` to ``high``; one without a bound on a side has an infinite end there.

    Python compares an integer, a float and a Decimal exactly, however large they are.
    """

    low: Number = -inf
    high: Number = inf
    has_low: bool = True
    """Whether ``low`` itself is in it."""
    has_high: bool = True

    def __contains__(self, value: Number) -> bool:
        """Whether ``value`` is in it; what is not a number (NaN) is in none."""
        if value != value:  # noqa: PLR0124  # true of NaN alone, which a Decimal refuses to compare
            return False
        above = self.low <= value if self.has_low else self.low < value
        return above and (value <= self.high if self.has_high else value < self.high)

    def turns(self) -> Iterator[int]:
        """The least whole number in it, and the least above it, where it has these ends; equal where none is in it."""
        if self.low > -inf:
            yield ceil(self.low) if self.has_low else floor(self.low) + 1
        if self.high < inf:
            yield floor(self.high) + 1 if self.has_high else ceil(self.high)

    def change(self, value: Number) -> float:
        """By how much a value has to change to be inside; negative: it has to fall.

        Past an end that is not inside by a whole step, where the value is whole steps away from it.
        """
        if value in self:
            return 0.0
        is_below = value < self.low or (value == self.low and not self.has_low)
        end, has_end, step = (self.low, self.has_low, 1) if is_below else (self.high, self.has_high, -1)
        exact = Fraction(end) - Fraction(value)
        return float(exact + step if not has_end and exact.denominator == 1 else exact)
