"""The view of a tensor whose parts are next to each other along a spatial axis; no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constraints.receptive_field import Bound, explicit
from constraints.tracing.axes import Digit, Shape, View, normal, unknown
from constraints.tracing.joining import blurred, joined, paired
from constraints.tracing.sliding import shifted
from constraints.tracing.values import Part

_MISPLACED = "maps laid side by side along a spatial axis"
Places = npt.NDArray[np.bool_]
"""For each index of one axis, whether a part is visible there."""
Interval = tuple[Bound, Bound]


class LaidPart(NamedTuple):
    """One part along one spatial axis: its view, the indices it was written to, and those at which it is visible."""

    view: View
    laid: range
    shows: Places

    def sees(self, index: int) -> Interval:
        """What the part sees at an index of the whole; beyond its ends it is extrapolated."""
        stride = self.view.digits[0].stride if self.view.digits else 0
        return self.view.field.at((index - self.laid.start) // self.laid.step * stride)


def listed(rows: Sequence[LaidPart], digit: Digit, crossed: bool) -> View:
    """The view computed unit by unit: each unit sees what the parts that are visible there see."""
    main = max(rows, key=lambda r: int(r.shows.sum()))
    kept, size = [main], digit.size
    whole = main.view._replace(digits=(digit,))
    for row in rows:
        if row is main or not row.shows.any():
            continue
        if not _is_in_place(row, main):
            if int(row.shows.sum()) * 2 >= int(main.shows.sum()) or not _is_at_an_end(row):
                return unknown(_MISPLACED, whole)
            continue  # a circular or reflected border
        kept.append(row)
    is_one = all(row.sees(int(i)) == main.sees(int(i)) for row in kept for i in row.shows.nonzero()[0])
    if is_one and main.laid.step == 1 and (map_of_all := _continued(main, digit)) is not None:
        return map_of_all
    covered = np.logical_or.reduce([row.shows for row in rows]).nonzero()[0]
    units = []
    for i in range(size):
        seen = [row.sees(i) for row in kept if row.shows[i]]
        if crossed and not are_nested(seen):
            return unknown("maps of different places, laid side by side along two spatial axes", whole)
        outside = i < covered[0] or i > covered[-1] or (not seen and any(row.shows[i] for row in rows))
        units.append(hull(seen) if seen or not outside else main.sees(i))
    return normal(View(explicit(units), (digit,), extent=main.view.extent))


def _continued(main: LaidPart, digit: Digit) -> View | None:
    """The map of one part, extrapolated to where nothing was written, as a border is."""
    if not main.view.digits:
        return None
    part = {digit.axis: len(main.laid)}
    shape = tuple(part.get(a, 1) for a in range(digit.axis + 1))
    return shifted(main.view, digit.axis, shape, main.laid.start, digit.size)


def _is_in_place(row: LaidPart, main: LaidPart) -> bool:
    """Whether a part is at indices where the extrapolated main part would see about the same pixels."""
    step = max(math.ceil(main.view.jump), 1)
    for i in row.shows.nonzero()[0]:
        (low, high), (first, last) = row.sees(int(i)), main.sees(int(i))
        if low - last > step or first - high > step:
            return False
    return True


def _is_at_an_end(row: LaidPart) -> bool:
    where = row.shows.nonzero()[0]
    in_one_piece = where[-1] - where[0] + 1 == len(where)
    return bool(in_one_piece and (where[0] == 0 or where[-1] == len(row.shows) - 1))


def are_nested(seen: Sequence[Interval]) -> bool:
    """Whether one of several fields contains all others."""
    low, high = hull(seen)
    return not seen or (low, high) in seen


def hull(seen: Sequence[Interval]) -> Interval:
    """The interval from the first pixel of several fields to the last."""
    return min((s[0] for s in seen), default=math.inf), max((s[1] for s in seen), default=-math.inf)


def bordered(having: Sequence[tuple[int, Part, View]], axes: set[int], shape: Shape) -> View:
    """The view along axes with several digits (patches, say): one map with a border, if other parts are small."""
    placed = []
    for _, part, view in having:
        placed.append((_size(part, axes, shape), _placed(view, part, shape)))
    size, main = max(placed, key=lambda p: p[0])
    rest = [(n, v) for n, v in placed if v is not main and v != main]
    if main.unknown:
        return unknown(main.unknown)
    if rest and (sum(n for n, _ in rest) * 2 >= size or len(axes) > 1):
        return heap([v for _, v in placed], axes)
    return main


def heap(views: Sequence[View], axes: set[int]) -> View:
    """The view of different maps concatenated along a spatial axis: an upper bound."""
    first, *others = [blurred(v, axes, "a concatenation of different maps along a spatial axis") for v in views]
    for view in others:
        first = joined(first, view) or first
    return first


def _size(part: Part, axes: set[int], shape: Shape) -> int:
    return math.prod(len(part.region.get(a, range(shape[a]))) for a in axes)


def _placed(view: View, part: Part, shape: Shape) -> View:
    """A part's view, moved to its place in the whole."""
    if view.other is not None:
        places = [_placed(v, part, shape) for v in (view._replace(other=None), view.other)]
        return paired(*places) or view
    size = tuple(len(part.region.get(a, range(n))) for a, n in enumerate(shape))
    for axis, indices in part.region.items():
        on = [d for d in view.digits if d.axis == axis]
        if not on:
            continue
        if indices.step != 1:
            return unknown("a strided write along a spatial axis")
        if len(on) == 1 and on[0].inner == 1 and on[0].size == size[axis]:
            view = shifted(view, axis, size, indices.start, shape[axis]) or view
        else:
            digits = [d._replace(offset=d.offset + indices.start) if d.axis == axis else d for d in view.digits]
            view = view._replace(digits=tuple(digits))
    return view
