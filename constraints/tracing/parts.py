"""Tensors put together of parts: which part shows where, and what the whole sees; no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constraints.receptive_field import Bound, explicit
from constraints.tracing.axes import (
    Cut,
    Digit,
    Shape,
    View,
    blurred,
    joined,
    moved,
    normal,
    paired,
    shifted,
    sliced,
    unknown,
)
from constraints.tracing.values import Flow, Part, Region, Value, Views, join_views, merge_flows

_MOST_CELLS = 1 << 22
"""Elements of the largest table of which part shows where; beyond it every part counts everywhere it was laid."""
ROWS_APART = "rows of a batch that are parts of one sample, and see apart"
_MISPLACED = "maps laid side by side along a spatial axis"
Places = npt.NDArray[np.bool_]
"""Along one axis, whether a part shows at an index."""
Interval = tuple[Bound, Bound]


class _Row(NamedTuple):
    """One part along one spatial axis: what it sees there, where it was laid, and where it shows."""

    view: View
    laid: range
    shows: Places

    def sees(self, index: int) -> Interval:
        """What the part sees at an index of the whole, also beyond its end, as if it continued."""
        stride = self.view.digits[0].stride if self.view.digits else 0
        return self.view.field.at((index - self.laid.start) // self.laid.step * stride)


def laid(value: Value, region: Region) -> list[Part]:
    """A tensor as parts of a larger one, whose region ``region`` it fills."""
    if not value.parts:
        return [Part(region, value.views, value.flow)]
    return [Part(_within(p.region, region), p.views, p.flow) for p in value.parts]


def _within(inner: Region, outer: Region) -> Region:
    axes = {*inner, *outer}
    return {a: _of(outer[a], inner[a]) if a in inner and a in outer else inner.get(a) or outer[a] for a in axes}


def _of(outer: range, inner: range) -> range:
    return range(outer.start + inner.start * outer.step, outer.start + inner.stop * outer.step, outer.step * inner.step)


def cut_out(parts: Iterable[Part], shape: Shape, cut: Cut) -> list[Part]:
    """The parts of what a slice or a selection takes from a tensor of shape ``shape``."""
    wanted = range(cut.start, cut.start + cut.size * cut.step, cut.step)
    found: list[Part] = []
    for region, views, flow in parts:
        here = region.get(cut.axis, range(shape[cut.axis]))
        hits = [(to, here.index(i)) for to, i in enumerate(wanted) if i in here]
        if not hits:
            continue
        (to, at), n = hits[0], len(hits)
        step_to, step_at = (hits[1][0] - to, hits[1][1] - at) if n > 1 else (1, 1)
        size = tuple(len(region.get(a, range(extent))) for a, extent in enumerate(shape))
        taken = tuple(sliced(v, size, Cut(cut.axis, at, step_at, n)) for v in views)
        left = {a: r for a, r in region.items() if a != cut.axis}
        if n < cut.size:
            left[cut.axis] = range(to, to + n * step_to, step_to)
        found.append(Part(left, taken, flow))
    return found


class _Table(NamedTuple):
    """Which part shows where in a tensor of ``shape``, of which parts touch some axes."""

    shape: Shape
    touched: Sequence[int]
    cells: npt.NDArray[np.intp] | None
    """The number of the part at each index of the touched axes; None where that would be too many."""

    def shows(self, number: int, part: Part, axis: int) -> Places:
        """Where along an axis a part shows at some index of the others."""
        if self.cells is None:
            found = np.zeros(self.shape[axis], dtype=bool)
            found[_slice(part.region.get(axis, range(self.shape[axis])))] = True
            return found
        others = tuple(i for i, a in enumerate(self.touched) if a != axis)
        places: Places = (self.cells == number).any(axis=others)
        return places


def assembled(parts: Sequence[Part], shape: Shape) -> tuple[Views, Flow, tuple[Part, ...]]:
    """What a tensor sees that parts were laid into, later ones over earlier ones, and the parts that show."""
    table = _Table(
        shape, touched := sorted({axis for part in parts for axis in part.region}), _cells(parts, shape, touched)
    )
    seen = range(len(parts)) if table.cells is None else np.unique(table.cells).tolist()
    shown = [(k, parts[k]) for k in seen if k >= 0]
    depend = [p.flow for _, p in shown if p.flow.origin is not None]
    flow = merge_flows(depend) if depend else Flow()
    if len(depend) > 1:
        flow = flow._replace(depthwise=frozenset().union(*(f.depthwise for f in depend)))
    views = tuple(_along(i, shown, table) for i in range(len(parts[0].views)))
    if len(shown) > 1 and touched == [0] and are_rows(shown_parts := [p for _, p in shown], shape):
        views = tuple(_apart(v, [p.views[i] for p in shown_parts]) for i, v in enumerate(views))
    return views, flow, tuple(p for _, p in shown) if len(shown) > 1 else ()


def are_rows(parts: Sequence[Part], shape: Shape) -> bool:
    """Whether parts are laid along the batch axis alone: the first one of a map, which has one more for channels."""
    spatial = {axis for p in parts for v in p.views if v is not None for axis in v.axes}
    return (
        bool(parts) and len(shape) == len(spatial) + 2 and 0 not in spatial and all(set(p.region) == {0} for p in parts)
    )


def _apart(whole: View | None, rows: Sequence[View | None]) -> View | None:
    """What all rows of a batch see: each sees less, where they do not see around the same places."""
    if whole is None or whole.unknown or whole.blurred or not whole.digits:
        return whole
    largest = max(v.size for v in rows if v is not None)
    return whole._replace(blurred=ROWS_APART) if whole.size > largest else whole


def of_rows(value: Value) -> Views:
    """The views of a tensor, which are those of the row that sees most where rows of a batch see apart."""
    if not any(v is not None and ROWS_APART in v.blurred for v in value.views) or not are_rows(
        value.parts, value.shape
    ):
        return value.views
    views: list[View | None] = []
    for i in range(len(value.views)):
        rows = [v for p in value.parts if (v := p.views[i]) is not None]
        lost = next((v for v in rows if v.unknown or v.blurred), None)
        views.append(lost or max(rows, key=lambda v: v.size, default=None))
    return tuple(views)


def _cells(parts: Sequence[Part], shape: Shape, touched: Sequence[int]) -> npt.NDArray[np.intp] | None:
    sizes = [shape[a] for a in touched]
    if math.prod(sizes) > _MOST_CELLS:
        return None
    cells = np.full(sizes, -1)
    for k, part in enumerate(parts):
        cells[tuple(_slice(part.region.get(a, range(shape[a]))) for a in touched)] = k
    return cells


def _slice(indices: range) -> slice:
    return slice(indices.start, indices.stop, indices.step)


def _along(which: int, shown: Sequence[tuple[int, Part]], table: _Table) -> View | None:
    """What the whole sees along one spatial axis of the input."""
    shape, touched = table.shape, table.touched
    having = [(k, p, v) for k, p in shown if (v := p.views[which]) is not None]
    if not having:
        return None
    spatial = {axis for _, _, v in having for axis in v.axes} & set(touched)
    if not spatial:
        return _everywhere(having, shown, table)
    lost = next((v.unknown for _, _, v in having if v.unknown), "")
    axis = min(spatial)
    if any(v.blurred for _, _, v in having):
        return _heap([v for _, _, v in having], spatial) if len(having) > 1 else _bordered(having, spatial, shape)
    if len(spatial) > 1 or not all(_is_plain(v, p, axis, shape) for _, p, v in having):
        return _bordered(having, spatial, shape)
    digit = Digit(axis, 1, shape[axis], 1)
    if lost:
        return unknown(lost, having[0][2]._replace(digits=(digit,)))
    rows = []
    for k, part, view in having:
        indices = part.region.get(axis, range(shape[axis]))
        rows.append(_Row(view, indices, table.shows(k, part, axis)))
    crossed = len({axis for _, p in shown for v in p.views if v for axis in v.axes} & set(touched)) > 1
    return _listed(rows, digit, crossed)


def _everywhere(
    having: Sequence[tuple[int, Part, View]], shown: Sequence[tuple[int, Part]], table: _Table
) -> View | None:
    """Parts along an axis that they were not laid along: each may see as all of them."""
    joint = _stacked(having, table.shape, table.touched) or join_views([(v,) for _, _, v in having])[0]
    if joint is not None and not joint.unknown and _alternates(having, shown, table):
        return unknown("rows that see differently along the other axis", joint)
    return joint


def _alternates(having: Sequence[tuple[int, Part, View]], shown: Sequence[tuple[int, Part]], table: _Table) -> bool:
    """Whether parts that see differently take turns along another axis, of which a stride may leave some out."""
    kinds: list[View] = []
    for _, _, view in having:
        if view not in kinds:
            kinds.append(view)
    if len(kinds) < 2:
        return False
    kind_of = {k: kinds.index(v) for k, _, v in having}
    carried = {d.axis for _, p in shown for v in p.views if v for d in v.digits}
    for axis in table.touched:
        laid_singly = all(len(p.region.get(axis, ())) == 1 for _, p in shown)
        if axis not in carried and not laid_singly:
            continue
        places = [(kind_of[k], table.shows(k, p, axis)) for k, p, _ in having]
        rows = [frozenset(kind for kind, shows in places if shows[i]) for i in range(table.shape[axis])]
        turns = [row for i, row in enumerate(rows) if row and (i == 0 or rows[i - 1] != row)]
        if len(turns) > len(set(turns)):
            return True
    return False


def _is_plain(view: View, part: Part, axis: int, shape: Shape) -> bool:
    """Whether a view has no spatial axis but one, or none, which a tensor axis counts index by index."""
    size = len(part.region.get(axis, range(shape[axis])))
    return view.other is None and all(d[:3] == (axis, 1, size) and not d.offset for d in view.digits)


def _stacked(having: Sequence[tuple[int, Part, View]], shape: Shape, touched: Sequence[int]) -> View | None:
    """Places of a map that were taken out one by one, each laid at its own index of an axis: a map again."""
    views = [v for _, _, v in having]
    if any(v.digits or v.pooled or v.unknown or v.blurred for v in views) or len({v.field.at(0) for v in views}) == 1:
        return None
    for axis in touched:
        seen: dict[int, set[Interval]] = {}
        for _, part, view in having:
            for index in part.region.get(axis, range(shape[axis])):
                seen.setdefault(index, set()).add(view.field.at(0))
        if all(_are_nested(list(found)) for found in seen.values()) and len(set(map(frozenset, seen.values()))) > 1:
            units = [_hull(list(seen.get(i, ()))) for i in range(shape[axis])]
            return View(explicit(units), (Digit(axis, 1, shape[axis], 1),), extent=views[0].extent)
    return unknown("places of a map that are laid out anew")


def _listed(rows: Sequence[_Row], digit: Digit, crossed: bool) -> View:
    """Unit by unit: each sees what the parts see that show there."""
    main = max(rows, key=lambda r: int(r.shows.sum()))
    kept, size = [main], digit.size
    whole = main.view._replace(digits=(digit,))
    for row in rows:
        if row is main or not row.shows.any():
            continue
        if not _is_in_place(row, main):
            if int(row.shows.sum()) * 2 >= int(main.shows.sum()) or not _is_at_an_end(row):
                return unknown(_MISPLACED, whole)
            continue  # a border that wraps around or reflects
        kept.append(row)
    is_one = all(row.sees(int(i)) == main.sees(int(i)) for row in kept for i in row.shows.nonzero()[0])
    if is_one and main.laid.step == 1 and (map_of_all := _continued(main, digit)) is not None:
        return map_of_all
    covered = np.logical_or.reduce([row.shows for row in rows]).nonzero()[0]
    units = []
    for i in range(size):
        seen = [row.sees(i) for row in kept if row.shows[i]]
        if crossed and not _are_nested(seen):
            return unknown("maps that see apart, laid side by side along two spatial axes", whole)
        outside = i < covered[0] or i > covered[-1] or (not seen and any(row.shows[i] for row in rows))
        units.append(_hull(seen) if seen or not outside else main.sees(i))
    return normal(View(explicit(units), (digit,), extent=main.view.extent))


def _continued(main: _Row, digit: Digit) -> View | None:
    """One map, as if it continued where nothing was laid: a border."""
    if not main.view.digits:
        return None
    part = {digit.axis: len(main.laid)}
    shape = tuple(part.get(a, 1) for a in range(digit.axis + 1))
    return shifted(main.view, digit.axis, shape, main.laid.start, digit.size)


def _is_in_place(row: _Row, main: _Row) -> bool:
    """Whether a part is where the main one would see about the same pixels."""
    step = max(math.ceil(main.view.jump), 1)
    for i in row.shows.nonzero()[0]:
        (low, high), (first, last) = row.sees(int(i)), main.sees(int(i))
        if low - last > step or first - high > step:
            return False
    return True


def _is_at_an_end(row: _Row) -> bool:
    where = row.shows.nonzero()[0]
    in_one_piece = where[-1] - where[0] + 1 == len(where)
    return bool(in_one_piece and (where[0] == 0 or where[-1] == len(row.shows) - 1))


def _are_nested(seen: Sequence[Interval]) -> bool:
    low, high = _hull(seen)
    return not seen or (low, high) in seen


def _hull(seen: Sequence[Interval]) -> Interval:
    return min((s[0] for s in seen), default=math.inf), max((s[1] for s in seen), default=-math.inf)


def _bordered(having: Sequence[tuple[int, Part, View]], axes: set[int], shape: Shape) -> View:
    """Axes that carry several axes or patches: one map with a border, where all else is small."""
    placed = []
    for _, part, view in having:
        placed.append((_size(part, axes, shape), _placed(view, part, shape)))
    size, main = max(placed, key=lambda p: p[0])
    rest = [(n, v) for n, v in placed if v is not main and v != main]
    if main.unknown:
        return unknown(main.unknown)
    if rest and (sum(n for n, _ in rest) * 2 >= size or len(axes) > 1):
        return _heap([v for _, v in placed], axes)
    return main


def _heap(views: Sequence[View], axes: set[int]) -> View:
    """Maps in a row that are not parts of one."""
    first, *others = [blurred(v, axes, "a concatenation of different maps along a spatial axis") for v in views]
    for view in others:
        first = joined(first, view) or first
    return first


def _size(part: Part, axes: set[int], shape: Shape) -> int:
    return math.prod(len(part.region.get(a, range(shape[a]))) for a in axes)


def _placed(view: View, part: Part, shape: Shape) -> View:
    """A part's view at its place in the whole."""
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


def inserted(views: Views, axis: int, n: int) -> Views:
    """The views of an index of an axis as those of a part of the whole, which has ``n`` axes."""
    return tuple(moved(v, [a + (a >= axis) for a in range(n - 1)]) for v in views)


def overlaid(parts: Sequence[Part], new: Sequence[Part]) -> list[Part]:
    """The parts with others laid over them, without those that one of these hides."""
    left = [p for p in parts if not any(_hides(n.region, p.region) for n in new)]
    return [*left, *new]


def _hides(above: Mapping[int, range], below: Mapping[int, range]) -> bool:
    return all(
        axis in below and below[axis].start in r and below[axis][-1] in r and below[axis].step % r.step == 0
        for axis, r in above.items()
    )
