"""The receptive field of a tensor assembled from parts (concatenated, written into slices), and where each part
remains visible; no torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constraints.receptive_field import explicit
from constraints.tracing.axes import Digit, Shape, View, unknown
from constraints.tracing.flows import merge_flows
from constraints.tracing.left_out import together
from constraints.tracing.pooled_parts import is_of_part
from constraints.tracing.side_by_side import Interval, LaidPart, Places, are_nested, bordered, heap, hull, listed
from constraints.tracing.values import Flow, Part, Value, Views, join_views

_MOST_CELLS = 1 << 22
"""Largest number of entries of ``_Table.cells``; beyond it each part counts as visible wherever it was written."""
CHANNEL_AXIS = 1
"""The axis of channels in a map with an axis for the batch."""
ROWS_APART = "rows of a batch that are parts of one sample and see different places"


class _Table(NamedTuple):
    """Which part is visible where, in a tensor of ``shape`` whose parts were written along the axes ``touched``."""

    shape: Shape
    touched: Sequence[int]
    cells: npt.NDArray[np.intp] | None
    """The number of the visible part at each index of the touched axes; None where the table would be too large."""

    def shows(self, number: int, part: Part, axis: int) -> Places:
        """The indices of an axis at which a part is visible, for at least one index of the other axes."""
        if self.cells is None:
            found = np.zeros(self.shape[axis], dtype=bool)
            found[_slice(part.region.get(axis, range(self.shape[axis])))] = True
            return found
        others = tuple(i for i, a in enumerate(self.touched) if a != axis)
        places: Places = (self.cells == number).any(axis=others)
        return places


def assembled(parts: Sequence[Part], shape: Shape) -> tuple[Views, Flow, tuple[Part, ...]]:
    """The views and flow of a tensor that parts were written into, later over earlier ones, and the visible parts."""
    table = _Table(
        shape, touched := sorted({axis for part in parts for axis in part.region}), _cells(parts, shape, touched)
    )
    seen = range(len(parts)) if table.cells is None else np.unique(table.cells).tolist()
    shown = [(k, parts[k]) for k in seen if k >= 0]
    depend = [p.flow for _, p in shown if p.flow.origin is not None]
    flow = merge_flows(depend) if depend else Flow()
    aside = [_aside(i, shown, touched) for i in range(len(parts[0].views))]
    if any(aside):
        flow = _beside_maps(shown, aside, flow)
    if len(depend) > 1:
        flow = flow._replace(depthwise=frozenset().union(*(f.depthwise for f in depend)))
    views = tuple(_along(i, [s for s in shown if s[0] not in aside[i]], table) for i in range(len(aside)))
    views = apart(views, [p for _, p in shown], shape)
    return views, flow, tuple(p for _, p in shown) if len(shown) > 1 else ()


def _aside(which: int, shown: Sequence[tuple[int, Part]], touched: Sequence[int]) -> set[int]:
    """The parts that see the whole map along one spatial axis, where other parts are maps: they only shift the result.

    An example: a pooled branch, expanded and concatenated with a map as channels; after the next convolution it acts
    as a gate.
    """
    views = [(k, v) for k, p in shown if (v := p.views[which]) is not None]
    followed = {0, *(axis for _, p in shown for v in p.views if v for axis in v.axes)}
    if not followed.isdisjoint(touched) or not any(v.is_local for _, v in views):
        return set()
    return {k for k, v in views if not (v.digits or v.unknown or v.blurred) and v.pooled not in ("", "mixed")}


def _beside_maps(shown: Sequence[tuple[int, Part]], aside: Sequence[set[int]], flow: Flow) -> Flow:
    """The flow where some parts are left aside along spatial axes: their poolings are not inherited, as from a gate."""
    places = [(k, p.flow, [i for i, v in enumerate(p.views) if v is not None]) for k, p in shown]
    mains = [f for k, f, axes in places if f.origin is not None and not (axes and all(k in aside[i] for i in axes))]
    return merge_flows(mains)._replace(context=True, poison=flow.poison) if mains else flow


def has_rows(parts: Sequence[Part], shape: Shape) -> bool:
    """Whether some parts of a map fill single rows of the batch, whatever else they fill."""
    spatial = {axis for p in parts for v in p.views if v is not None for axis in v.axes}
    return len(shape) == len(spatial) + 2 and 0 not in spatial and any(0 in p.region for p in parts)


def are_rows(parts: Sequence[Part], shape: Shape) -> bool:
    """Whether the parts of a map are arranged along the batch axis only (the first axis; channels are the second)."""
    return has_rows(parts, shape) and all(set(p.region) <= {0} for p in parts)


def apart(views: Views, parts: Sequence[Part], shape: Shape) -> Views:
    """The views of a tensor of several parts; of a map whose parts are rows of the batch, marked as upper bounds."""
    if len(parts) < 2 or not has_rows(parts, shape):
        return views
    touched = sorted({axis for part in parts for axis in part.region})  # the first one is that of the batch
    cells = _cells(parts, shape, touched)
    each = [[k] for k in range(len(parts))] if cells is None else [np.unique(row).tolist() for row in cells]
    rows = [[parts[k].views for k in found if k >= 0] for found in each]
    return tuple(_apart(v, [[seen[i] for seen in row] for row in rows]) for i, v in enumerate(views))


def _apart(whole: View | None, rows: Sequence[Sequence[View | None]]) -> View | None:
    """The view of all rows of a batch, marked as an upper bound where single rows see less than all together.

    ``rows`` are the views of the parts in each row.
    """
    if whole is None or whole.unknown or whole.blurred or not whole.digits:
        return whole
    joint = [join_views([(v,) for v in found])[0] for found in rows if found]
    largest = max((v.size for v in joint if v is not None), default=whole.size)
    return whole._replace(blurred=ROWS_APART) if whole.size > largest else whole


def of_rows(value: Value) -> Views:
    """The views of a tensor; where rows of the batch see different places, those of the row that sees most."""
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
        return heap([v for _, _, v in having], spatial) if len(having) > 1 else bordered(having, spatial, shape)
    if len(spatial) > 1 or not all(_is_plain(v, p, axis, shape) for _, p, v in having):
        return bordered(having, spatial, shape)
    digit = Digit(axis, 1, shape[axis], 1)
    rows = []
    for k, part, view in having:
        indices = part.region.get(axis, range(shape[axis]))
        rows.append(LaidPart(view, indices, table.shows(k, part, axis)))
    carrying = {axis for _, p in shown for v in p.views if v for axis in v.axes} & set(touched)
    crossed = len(carrying) > 1 and not _are_together(having, table, axis, carrying - {axis})
    whole = unknown(lost, having[0][2]._replace(digits=(digit,))) if lost else listed(rows, digit, crossed)
    return together([(r.view, r.laid) for r in rows], whole)


def _are_together(having: Sequence[tuple[int, Part, View]], table: _Table, axis: int, others: Collection[int]) -> bool:
    """Whether all parts that are visible at an index of a spatial axis are so at the same places of the other ones.

    Borders aside. An example: groups of channels, each shifted in another direction.
    """
    if table.cells is None:
        return False
    rest = tuple(i for i, a in enumerate(table.touched) if a != axis and a not in others)
    visible = np.stack([(table.cells == k).any(axis=rest) for k, _, _ in having])
    kept = [a for a in table.touched if a == axis or a in others]
    visible = np.moveaxis(visible, 1 + kept.index(axis), 1)
    seen = visible.any(axis=tuple(range(2, visible.ndim)), keepdims=True)
    places: Places = np.logical_and.reduce(visible | ~seen, axis=(0, 1))
    inner = tuple(slice(n // 4, n - n // 4) for n in places.shape)
    return bool(places[inner].all())


def _everywhere(
    having: Sequence[tuple[int, Part, View]], shown: Sequence[tuple[int, Part]], table: _Table
) -> View | None:
    """The view along a spatial axis that the parts do not divide: each element may see what any of the parts sees."""
    joint = _stacked(having, table.shape, table.touched) or join_views([(v,) for _, _, v in having])[0]
    if joint is not None and not joint.unknown and _alternates(having, shown, table):
        return unknown("rows that see differently along the other axis", joint)
    return joint


def _alternates(having: Sequence[tuple[int, Part, View]], shown: Sequence[tuple[int, Part]], table: _Table) -> bool:
    """Whether parts with different views alternate along another axis, so that a stride may skip some of them.

    That is an axis of a map, or one along which parts of a single index may be places of a map again: not channels of
    which each is itself a map along all axes, as shifted copies are.
    """
    kinds: list[View] = []
    for _, _, view in having:
        if view not in kinds:
            kinds.append(view)
    if len(kinds) < 2:
        return False
    kind_of = {k: kinds.index(v) for k, _, v in having}
    followed = {d.axis for _, p in shown for v in p.views if v for d in v.digits}
    for axis in table.touched:
        are_places = all(len(p.region.get(axis, ())) == 1 for _, p in shown)
        are_places &= axis != CHANNEL_AXIS or not all(_is_map(p) for _, p in shown)
        if axis not in followed and not are_places:
            continue
        places = [(kind_of[k], table.shows(k, p, axis)) for k, p, _ in having]
        rows = [frozenset(kind for kind, shows in places if shows[i]) for i in range(table.shape[axis])]
        turns = [row for i, row in enumerate(rows) if row and (i == 0 or rows[i - 1] != row)]
        if len(turns) > len(set(turns)):
            return True
    return False


def _is_map(part: Part) -> bool:
    return all(v is None or v.digits for v in part.views)


def _is_plain(view: View, part: Part, axis: int, shape: Shape) -> bool:
    """Whether each digit of a view, if it has any, counts the part's axis ``axis`` index by index."""
    size = len(part.region.get(axis, range(shape[axis])))
    return view.other is None and all(d[:3] == (axis, 1, size) and not d.offset for d in view.digits)


def _stacked(having: Sequence[tuple[int, Part, View]], shape: Shape, touched: Sequence[int]) -> View | None:
    """A map rebuilt from its places, which were selected one by one and each written at its own index of an axis.

    The places may also be pools of parts of a map: they are the units of a new one.
    """
    views = [v for _, _, v in having]
    if any(v.digits or v.unknown or v.blurred for v in views) or len({v.field.at(0) for v in views}) == 1:
        return None
    are_pooled = any(v.pooled for v in views)
    if are_pooled and not all(is_of_part(v) and any(w and w.is_live for w in p.views) for _, p, v in having):
        return None
    for axis in touched:
        if are_pooled and any(len(part.region.get(axis, ())) != 1 for _, part, _ in having):
            continue
        seen: dict[int, set[Interval]] = {}
        for _, part, view in having:
            for index in part.region.get(axis, range(shape[axis])):
                seen.setdefault(index, set()).add(view.field.at(0))
        if all(are_nested(list(found)) for found in seen.values()) and len(set(map(frozenset, seen.values()))) > 1:
            units = [hull(list(seen.get(i, ()))) for i in range(shape[axis])]
            laid = View(explicit(units), (Digit(axis, 1, shape[axis], 1),), extent=views[0].extent)
            places = [(v, p.region.get(axis, range(shape[axis]))) for _, p, v in having]
            return laid if are_pooled else together(places, laid)
    return None if are_pooled else unknown("places of a map that are rearranged")
