"""Which axes of a tensor correspond to a spatial axis of the input, and what units see along it; pure, no torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

from constraints.receptive_field import Field
from constraints.tracing.taken import Taken

Shape = tuple[int, ...]
_MOST_UNITS = 4096


class Digit(NamedTuple):
    """A part of a tensor axis that counts along a spatial axis, as a digit counts in a number.

    At index ``x`` of tensor axis ``axis`` the digit is ``(x - offset) // inner % size``, and it moves the position
    in the field by ``stride`` units. One plain spatial axis is one digit; patches and windows split it into two.
    """

    axis: int
    inner: int
    size: int
    stride: int
    offset: int = 0

    def fills(self, shape: Shape) -> bool:
        """Whether the axis consists of whole cycles of the digit, without a border for example."""
        return not self.offset and shape[self.axis] % (self.inner * self.size) == 0


class Window(NamedTuple):
    """A window that slides along one tensor axis, and its number of positions."""

    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    padding: int = 0
    size: int = 1

    @property
    def changes_nothing(self) -> bool:
        """Whether every result is the element at the same index."""
        return self.kernel == self.stride == 1 and self.padding == 0

    def reaches_beyond(self, size: int) -> bool:
        """Whether the window covers all ``size`` elements of its axis and padding at some position."""
        last = (self.size - 1) * self.stride + (self.kernel - 1) * self.dilation - self.padding
        return self.padding > 0 or last >= size

    def taps(self, place: int, size: int) -> list[int]:
        """The elements of an axis of ``size`` in the window at one position."""
        first = place * self.stride - self.padding
        return [t for t in range(first, first + self.kernel * self.dilation, self.dilation) if 0 <= t < size]


class Cut(NamedTuple):
    """A part of one tensor axis: ``size`` indices from ``start``, ``step`` apart."""

    axis: int
    start: int
    step: int
    size: int
    is_select: bool = False
    """Whether the axis is gone afterwards."""

    def share(self, shape: Shape, views: Sequence[View | None]) -> float:
        """The part's share of the whole along a spatial axis; 1 along any other axis."""
        spatial = any(v is not None and any(d.axis == self.axis for d in v.digits) for v in views)
        return self.size / shape[self.axis] if spatial and not self.is_select else 1.0


class View(NamedTuple):
    """How one tensor depends on one spatial axis of an input.

    Its element sees ``field.at(sum of digit * stride)``. Without digits every element sees ``field.at(0)``.
    """

    field: Field
    digits: tuple[Digit, ...]
    pooled: str = ""
    """How the axis was reduced as a whole: "mean", "sum", "max", "other", "mixed" (each unit by its own weights) or
    "attended" (by weights that the input makes)."""
    unknown: str = ""
    """Why it is unknown what an element sees; digits, where there are some, still say which axes carry the map."""
    extent: int = 0
    """Pixels of the input along the axis."""
    swept: bool = False
    """Whether the coarsest digits were reduced: each place within a patch, for example, sees all patches."""
    blurred: str = ""
    """Why the field is only an upper bound: it is unknown which of several places an element belongs to."""
    other: View | None = None
    """In a table of pairs of places (queries times keys): the view of the other place."""
    is_part: bool = False
    """Of a view without digits: whether its field is not that of the whole map, since one place was selected, or only
    some elements see the whole map."""
    taken: Taken | None = None
    """Which places of the map, as its last layer made it, the units hold; None where each unit is one of them."""

    @property
    def left_out(self) -> int:
        """Places of the map, as its last layer made it, that slices left out."""
        return self.taken.left_out if self.taken else 0

    @property
    def is_live(self) -> bool:
        """Whether the tensor is still a map along this spatial axis."""
        return bool(self.digits) and not self.unknown

    @property
    def is_local(self) -> bool:
        """Whether its elements correspond to places of a map, which a value of the whole map can scale as a gate."""
        return bool(self.digits) and not self.unknown and not self.swept

    @property
    def is_unit(self) -> bool:
        """Whether the map has one unit along this spatial axis, and the tensor axis was removed."""
        return self.is_gone and not self.is_part

    @property
    def is_gone(self) -> bool:
        """Whether the tensor axis was removed, since the map has one unit along this axis or one was selected."""
        return not (self.digits or self.pooled or self.unknown or self.blurred or self.other)

    @property
    def is_whole(self) -> bool:
        """Whether each element sees the whole map, with equal weights or with weights computed from the input."""
        if self.left_out > 0:
            return False
        return self.swept or (not (self.digits or self.unknown) and self.pooled not in ("", "mixed"))

    @property
    def is_lost(self) -> bool:
        """Whether not even the axes that carry it are known."""
        return bool(self.unknown) and not self.digits and not self.pooled

    @property
    def axes(self) -> set[int]:
        """The tensor axes that count along this spatial axis."""
        return {d.axis for d in (*self.digits, *(self.other.digits if self.other else ()))}

    @property
    def jump(self) -> float:
        """Input pixels between neighbouring units."""
        digits = self.digits
        step = abs(digits[0].stride) if len(digits) == 1 else min((abs(d.stride) for d in digits), default=1)
        return step * self.field.jump / len(self.field.lo)

    @property
    def start(self) -> float:
        """The first input pixel that the first unit sees; infinite where it sees none."""
        if not any(d.offset for d in self.digits):
            return self.field.lo[0]
        return self.field.at(sum(-d.offset // d.inner % d.size * d.stride for d in self.digits))[0]

    @property
    def size(self) -> int:
        """Pixels that the largest interior unit sees.

        Every unit of a period counts, as on an unbounded axis. A map that does not repeat its period (after an uneven
        resampling, for example) or has none (a join of maps with different jumps) has only its own units: those count
        whose field touches neither the first nor the last pixel that the map sees, and all where there are none.
        """
        period = len(self.field.lo)
        if period == 1 or 2 * period <= self.units:
            return self.field.size
        seen = [self.field.at(sum(at)) for at in itertools.product(*(_positions(d) for d in self.digits))]
        first, last = max(min(a for a, _ in seen), 0), min(max(b for _, b in seen), self.extent - 1)
        inside = [(a, b) for a, b in seen if first < a <= b < last] or [(a, b) for a, b in seen if a <= b]
        return max((int(b - a + 1) for a, b in inside), default=self.field.size)

    @property
    def units(self) -> int:
        """Units of the map along this spatial axis."""
        return math.prod(d.size for d in self.digits)


def are_aligned(a: View, b: View) -> bool:
    """Whether the digits of one view are a subset of those of the other."""
    left, right = {d[:3] for d in a.digits}, {d[:3] for d in b.digits}
    return left <= right or right <= left


def covers(gone: Collection[Digit], kept: Collection[Digit]) -> bool:
    """Whether the digits ``gone`` span the whole map: no digit in ``kept``, such as a window's, has larger steps."""
    reach = max((abs(d.stride) * d.size for d in gone), default=0)
    return bool(gone) and all(abs(d.stride) * d.size < reach for d in kept)


def _positions(digit: Digit) -> range:
    return range(0, digit.size * digit.stride, digit.stride) if digit.stride else range(1)


def unknown(why: str, view: View | None = None) -> View:
    """An unknown view, with the digits of ``view`` where they are known."""
    if view is None:
        return View(Field(), (), unknown=why)
    return View(Field(), view.digits, view.pooled, why, view.extent, taken=view.taken)


def normal(view: View) -> View:
    """The same view, its strides divided by their greatest common divisor and adjacent digits of one axis merged."""
    digits = _merged(view.digits)
    factor = math.gcd(*(d.stride for d in digits)) if digits else 1
    if factor > 1:
        digits = tuple(d._replace(stride=d.stride // factor) for d in digits)
        return view._replace(field=view.field.every(factor), digits=digits)
    return view if digits == view.digits else view._replace(digits=digits)


def without_idle(view: View) -> View:
    """Without digits that do not change the field, such as those of a map's columns in a view of its rows."""
    several = [d for d in view.digits if d.size > 1]
    if view.field.period == 1 or len(several) < 2 or not 0 < view.units <= _MOST_UNITS:
        return view
    at = {index: view.field.at(sum(index)) for index in itertools.product(*map(_positions, several))}
    for i, digit in reversed(list(enumerate(several))):
        if all(at[index] == at[(*index[:i], 0, *index[i + 1 :])] for index in at):
            return without_idle(normal(view._replace(digits=tuple(d for d in view.digits if d is not digit))))
    return view


def _merged(digits: tuple[Digit, ...]) -> tuple[Digit, ...]:
    if len(digits) < 2:
        return digits
    several = [d for d in digits if d.size > 1] or list(digits[:1])
    merged: list[Digit] = []
    for d in sorted(several, key=lambda d: (d.axis, -d.inner)):
        last = merged[-1] if merged else None
        if last and last.axis == d.axis and last.offset == d.offset:
            span = d.size
            if last.inner == d.inner * span and last.stride == d.stride * span:
                merged[-1] = d._replace(size=last.size * span)
                continue
        merged.append(d)
    return tuple(merged)


def is_plain(digit: Digit, shape: Shape) -> bool:
    """Whether a digit counts its tensor axis index by index."""
    return digit.inner == 1 and digit.size == shape[digit.axis] and digit.offset == 0
