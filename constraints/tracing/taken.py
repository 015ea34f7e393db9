"""Which places of a layer's map the units of a tensor hold, after slices, padding and joins; pure, no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

_MOST_RUNS = 256


class EvenPlaces(NamedTuple):
    """Units that hold places of the map at equal distances: the unit ``units[k]`` holds the place ``places[k]``."""

    units: range
    places: range

    def between(self, first: int, last: int) -> EvenPlaces:
        """The entries whose numbers are from ``first`` to before ``last``."""
        return EvenPlaces(self.units[max(first, 0) : max(last, 0)], self.places[max(first, 0) : max(last, 0)])


class Taken(NamedTuple):
    """The places of a map that the units of a tensor hold; a unit that holds none is a border.

    Units are in the order of what they see. A map has ``made`` places; its layer's padding may have made up to
    ``padding`` of them at each end, and ``extra`` in total.
    """

    made: int
    units: int
    runs: tuple[EvenPlaces, ...]
    lost: int = 0
    """Further places that were left out, it is unknown which."""
    padding: int = 0
    extra: int = 0

    @property
    def left_out(self) -> int:
        """The number of places of the map that no unit holds, without those that padding made."""
        seen = _as_bits(r.places for r in self.runs)
        front, back = ((seen & -seen).bit_length() - 1, self.made - seen.bit_length()) if seen else (self.made, 0)
        of_padding = min(self.extra, min(front, self.padding) + min(back, self.padding))
        return self.made - seen.bit_count() - of_padding + self.lost

    @property
    def has_border(self) -> bool:
        """Whether some units are no places of the map, or may be made by padding."""
        return self.extra > 0 or _as_bits(r.units for r in self.runs).bit_count() < self.units

    def cut(self, start: int, step: int, size: int) -> Taken:
        """``size`` units from ``start``, ``step`` apart; those before the first and after the last are a border."""
        runs = [run for r in self.runs if (run := _cut(r, start, step, size)).units]
        return self._replace(units=size, runs=tuple(runs))

    def turned(self) -> Taken:
        """With the units in the opposite order."""
        last = self.units - 1
        runs = [
            EvenPlaces(range(last - r.units[-1], last - r.units[0] + 1, r.units.step), r.places[::-1])
            for r in self.runs
        ]
        return self._replace(runs=tuple(runs))

    def without(self, lost: int, units: int) -> Taken:
        """``units`` units that lack ``lost`` further places, it is unknown which."""
        return all_of(units)._replace(lost=self.left_out + lost)

    def joined(self, other: Taken) -> Taken:
        """Units that hold what two tensors hold; of two different maps, the one that lacks fewer places."""
        if (self.made, self.units) != (other.made, other.units) or self.lost or other.lost:
            return min(self, other, key=lambda t: t.left_out)
        runs, padding = {*self.runs, *other.runs}, min(self.padding, other.padding)
        found = self._replace(runs=tuple(sorted(runs, key=str)), padding=padding, extra=min(self.extra, other.extra))
        return found if len(runs) <= _MOST_RUNS else self.without(found.left_out - self.left_out, self.units)


def all_of(units: int, padding: int = 0, extra: int = 0) -> Taken:
    """All places of a map."""
    return Taken(units, units, (EvenPlaces(range(units), range(units)),), padding=padding, extra=extra)


def side_by_side(parts: Iterable[tuple[Taken, range]], units: int) -> Taken:
    """Tensors written to ranges of the units of another one; the map is the largest that they are made of."""
    given = list(parts)
    made = max(t.made for t, _ in given)
    of_map = [(t, laid) for t, laid in given if t.made == made]
    runs = [run for t, laid in of_map for r in t.runs for run in _laid(r, laid, t.units)]
    padding, extra = min(t.padding for t, _ in of_map), min(t.extra for t, _ in of_map)
    return Taken(made, units, tuple(dict.fromkeys(runs)), min(t.lost for t, _ in of_map), padding, extra)


def _laid(run: EvenPlaces, laid: range, units: int) -> list[EvenPlaces]:
    if units == len(laid):
        return [EvenPlaces(laid[run.units.start : run.units.stop : run.units.step], run.places)]
    return [EvenPlaces(laid[:1], run.places[:1])] if laid else []  # one place, wherever it is written


def _cut(run: EvenPlaces, start: int, step: int, size: int) -> EvenPlaces:
    """The places of a run that are among ``size`` units from ``start``, ``step`` apart."""
    every = step // math.gcd(step, run.units.step)
    entry = next((k for k in range(every) if (run.units.start + k * run.units.step - start) % step == 0), None)
    if entry is None:
        return run.between(0, 0)
    places = run.places[entry::every]
    first, apart = (run.units.start + entry * run.units.step - start) // step, run.units.step * every // step
    units = range(first, first + apart * len(places), apart)
    return EvenPlaces(units, places).between(-(first // apart), -((first - size) // apart))


def _as_bits(several: Iterable[range]) -> int:
    bits = 0
    for numbers in several:
        apart = abs(numbers.step)
        if numbers:  # a geometric series of powers of two
            bits |= ((1 << apart * len(numbers)) - 1) // ((1 << apart) - 1) << min(numbers[0], numbers[-1])
    return bits
