"""Parts that a tensor is assembled from: where each is, and what a slice takes of it; no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from constraints.tracing.axes import Cut, Shape, View, unknown
from constraints.tracing.layouts import moved
from constraints.tracing.rearranged import differing
from constraints.tracing.sliding import sliced
from constraints.tracing.values import Flow, Part, Region, Value, Views


def laid(value: Value, region: Region) -> list[Part]:
    """A tensor as parts of a larger one, of which it fills ``region``."""
    if not value.parts:
        return [Part(region, value.views, value.flow)]
    return [Part(_within(p.region, region), p.views, p.flow) for p in value.parts]


def _within(inner: Region, outer: Region) -> Region:
    axes = {*inner, *outer}
    return {a: _of(outer[a], inner[a]) if a in inner and a in outer else inner.get(a) or outer[a] for a in axes}


def _of(outer: range, inner: range) -> range:
    return range(outer.start + inner.start * outer.step, outer.start + inner.stop * outer.step, outer.step * inner.step)


def cut_out(parts: Iterable[Part], shape: Shape, cut: Cut) -> list[Part]:
    """The parts of a slice or a selection from a tensor of shape ``shape``."""
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
        if n < size[cut.axis]:
            taken = of_cut(taken, flow, cut.axis)
        left = {a: r for a, r in region.items() if a != cut.axis}
        if n < cut.size:
            left[cut.axis] = range(to, to + n * step_to, step_to)
        found.append(Part(left, taken, flow))
    return found


def inserted(views: Views, axis: int, n: int) -> Views:
    """The views of a tensor at one index of a new axis, as those of a part of the whole, which has ``n`` axes."""
    return tuple(moved(v, [a + (a >= axis) for a in range(n - 1)]) for v in views)


def of_cut(views: Views, flow: Flow, axis: int) -> Views:
    """The views of some indices of an axis, where it is not known which channels or places see which places."""
    if not (flow.blended or flow.pieced):  # the usual case
        return views
    for at, operation in flow.pieced:
        if (along := views[at]) is not None and axis in along.axes:
            why = f"some places of a map of pieces with different fields, which are not followed in {operation}"
            views = tuple(_lost(v, why) if v is not None and axis not in v.axes else v for v in views)
    if not flow.blended or is_of_places(views, axis):
        return views
    why = f"some of several channels that see different places, whose order is not followed in {flow.blended}"
    return tuple(_lost(v, why) for v in views)


def _lost(view: View | None, why: str) -> View | None:
    return unknown(view.unknown or why, view) if view is not None and view.digits else view


def is_of_places(views: Views, axis: int) -> bool:
    """Whether an axis counts the places of a map along one spatial axis, and nothing else does."""
    return any(v is not None and v.axes == {axis} for v in views)


def stacked(value: Value, axis: int, at: int, n: int) -> list[Part]:
    """A tensor as parts of one of ``n`` axes, of which it fills index ``at`` of the new axis ``axis``."""
    return [
        Part(
            {axis: range(at, at + 1), **{a + (a >= axis): r for a, r in region.items()}},
            inserted(views, axis, n),
            flow,
        )
        for region, views, flow in differing(value) or [Part({}, value.views, value.flow)]
    ]


def overlaid(parts: Sequence[Part], new: Sequence[Part]) -> list[Part]:
    """The parts with new ones written over them, without those that a new one hides."""
    left = [p for p in parts if not any(_hides(n.region, p.region) for n in new)]
    return [*left, *new]


def _hides(above: Mapping[int, range], below: Mapping[int, range]) -> bool:
    return all(
        axis in below and below[axis].start in r and below[axis][-1] in r and below[axis].step % r.step == 0
        for axis, r in above.items()
    )
