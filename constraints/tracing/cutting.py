"""The rules of operations that take parts of an axis, and of those that write tensors into such parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from constraints.tracing.assembling import assembled
from constraints.tracing.axes import Cut, Digit, Shape, View, unknown
from constraints.tracing.calls import Result, Results
from constraints.tracing.flows import fresh, merge_flows
from constraints.tracing.flows import moved as moved_flow
from constraints.tracing.joining import blurred
from constraints.tracing.layouts import moved
from constraints.tracing.left_out import lacking
from constraints.tracing.mixing import pointwise
from constraints.tracing.parts import cut_out, laid, of_cut, overlaid, stacked
from constraints.tracing.picked_places import started
from constraints.tracing.rearranged import differ, differing, indexed, no_places, runs
from constraints.tracing.sliding import selected, sliced
from constraints.tracing.values import Call, Flow, Part, Value, Views, join_views


def select(call: Call) -> Result:
    """One index of an axis."""
    return taken(call)[0]


def slice_(call: Call) -> Result:
    """A range of an axis."""
    return taken(call)[0]


def taken(call: Call) -> Results:
    """Select, slice, split, chunk and unbind: parts of an axis."""
    return [_taken(call, i, cut) for i, cut in enumerate(cuts(call, call.inputs[0].shape) or ())]


def _taken(call: Call, which: int, cut: Cut) -> Result:
    """Result ``which`` of a call: a part of an axis of its first input."""
    data = call.inputs[0]
    views, flow, parts = cut_views(data, cut)
    if cut.is_select:
        axes = [None if a == cut.axis else a - (a > cut.axis) for a in range(len(data.shape))]
        views = tuple(moved(v, axes) for v in views)
        parts = _selected_parts(replace(data, parts=parts), axes) if parts else ()
    if parts:
        call.parts[which] = parts
    if flow is not data.flow and (picked := started(data, cut)) is not None:
        flow = flow._replace(picked=picked)
    return views, flow


def _selected_parts(kept: Value, axes: Sequence[int | None]) -> tuple[Part, ...]:
    """The parts of a selection, whose axis of one index is gone; ``axes`` are the new numbers of the old axes."""
    found = []
    for region, views, flow in differing(kept):
        left = {to: r for a, r in region.items() if (to := axes[a]) is not None}
        found.append(Part(left, tuple(moved(v, axes) for v in views), flow))
    return tuple(found)


def gated_half(call: Call) -> Result:
    """Gated linear units: the first half of an axis, scaled elementwise by the second half."""
    data, axis, halves = call.inputs[0], call.arg("dim", -1) % len(call.shape), []
    if any(axis in part.region for part in data.parts):
        call.parts[0] = tuple(_gated_parts(call, axis))
    for at in (0, call.shape[axis]):
        views, flow, _ = cut_views(data, Cut(axis, at, 1, call.shape[axis]))
        halves.append(Value(call.shape, views, flow, None))
    return pointwise(call.changed(op="mul", inputs=halves))


def _gated_parts(call: Call, axis: int) -> Iterator[Part]:
    """The parts of the product of both halves of an axis, between the ends of the parts of each half.

    One part for each index where parts alternate.
    """
    data, size = call.inputs[0], call.shape[axis]
    regions = [part.region.get(axis, range(2 * size)) for part in data.parts]
    is_solid = all(r.step == 1 for r in regions)
    ends = {end for r in regions for end in (r.start, r.stop)} if is_solid else {*range(size)}
    for first, last in pairwise(
        sorted({0, size, *(e for e in ends if e < size), *(e - size for e in ends if e > size)})
    ):
        shape = tuple(last - first if a == axis else n for a, n in enumerate(call.shape))
        found = [cut_views(data, Cut(axis, at, 1, last - first)) for at in (first, size + first)]
        halves = [Value(shape, views, flow, None) for views, flow, _ in found]
        if any(half.depends for half in halves):
            yield Part({axis: range(first, last)}, *pointwise(call.changed(op="mul", inputs=halves, shape=shape)))


def cuts(call: Call, shape: Shape) -> list[Cut] | None:
    """The part of a tensor of ``shape`` that each result is; None for an operation that takes no parts."""
    if call.op not in (
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "unsafe_split",
        "unsafe_split_with_sizes",
        "unbind",
    ):
        return None
    axis = call.arg("dim", 0) % len(shape)
    size = shape[axis]
    if call.op == "select":
        return [Cut(axis, call.arg("index") % size, 1, 1, True)]
    if call.op == "unbind":
        return [Cut(axis, i, 1, 1, True) for i in range(size)]
    if call.op == "slice":
        start = call.arg("start", None) or 0
        start = min(max(start + size if start < 0 else start, 0), size)
        return [Cut(axis, start, call.arg("step", 1), call.shape[axis])]
    if "split_sizes" in call.names:
        sizes = list(call.arg("split_sizes"))
    else:
        step = call.arg("split_size")
        sizes = [min(step, size - i) for i in range(0, size, step)]
    return [Cut(axis, sum(sizes[:i]), 1, n) for i, n in enumerate(sizes)]


def cut_views(data: Value, cut: Cut) -> tuple[Views, Flow, tuple[Part, ...]]:
    """The views and the flow of a part of an axis, and its own parts; an axis of one selected index is kept here."""
    if data.parts and cut.size:
        size = tuple(cut.size if a == cut.axis else n for a, n in enumerate(data.shape))
        views, flow, parts = assembled(cut_out(data.parts, data.shape, cut), size)
        return views, moved_flow(flow) if flow.origin is not None else flow, parts  # no origin: only constants here
    if (data.flow.blended or data.flow.pieced) and cut.size < data.shape[cut.axis]:
        data = replace(data, views=of_cut(data.views, data.flow, cut.axis))
    if cut.is_select:
        return tuple(selected(v, cut.axis, cut.start) for v in data.views), moved_flow(data.flow), ()
    whole = cut.start == 0 and cut.step == 1 and cut.size == data.shape[cut.axis]
    return tuple(sliced(v, data.shape, cut) for v in data.views), data.flow if whole else moved_flow(data.flow), ()


def stack(call: Call) -> Result:
    """Tensors side by side along a new axis."""
    n = len(call.shape)
    axis = call.arg("dim", 0) % n
    parts = [part for i, value in enumerate(call.inputs) for part in stacked(value, axis, i, n)]
    views, flow, call.parts[0] = assembled(parts, call.shape)
    return views, moved_flow(flow)


def picked(call: Call) -> Result:
    """Indexing by a tensor: known along axes that are not spatial."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    if call.op == "index_select":
        axes, keeps = [call.arg("dim") % n], True
    else:
        indices = call.arg("indices")
        axes = [i for i, index in enumerate(indices) if index is not None]
        keeps = len(axes) == 1 and len(call.shape) == n
    if keeps and (run := _as_slice(_numbers(call), data.shape[axes[0]])):
        return _taken(call, 0, Cut(axes[0], run.start, run.step, len(run)))
    for axis in axes if data.flow.blended or data.flow.pieced else ():
        data = replace(data, views=of_cut(data.views, data.flow, axis))
    views = tuple(_picked(v, axes if keeps else range(n), keeps, data.shape, call.shape) for v in data.views)
    maps = [i for i, v in enumerate(data.views) if v is not None and v.digits]
    if any(axis in part.region for axis in axes for part in data.parts) and differ(data, maps):
        index = call.indices[1:]
        sources = index[0] if keeps and len(index) == 1 and len(call.shape) == n else None
        if sources is None or not no_places(data):
            why = "channels that see different places, picked by an index"
            return tuple(v and unknown(v.unknown or why, v) for v in views), moved_flow(data.flow)
        sources = [i % data.shape[axes[0]] for i in sources]
        if parts := indexed(data, axes[0], sources, lambda views, _: views):
            views, flow, call.parts[0] = assembled(parts, call.shape)
            return views, moved_flow(flow)
    return views, moved_flow(data.flow)


def _numbers(call: Call) -> Sequence[int] | None:
    """The numbers of the first index tensor."""
    return call.indices[1] if len(call.indices) > 1 else None


def _as_slice(numbers: Sequence[int] | None, size: int) -> range | None:
    """The indices that a slice takes too: ascending ones in equal steps; None for others."""
    found = [i % size for i in numbers or ()]
    step = found[1] - found[0] if len(found) > 1 else 1
    run = range(found[0], found[-1] + 1, step) if found and step > 0 else range(0)
    return run if found and list(run) == found else None


def _picked(view: View | None, axes: Sequence[int], keeps: bool, old: Shape, new: Shape) -> View | None:
    if view is None or not view.digits:
        return view
    if keeps and not any(d.axis in axes for d in view.digits):
        return view
    why, on = "indexing by a tensor along a spatial axis", [d for d in view.digits if d.axis in axes]
    if not keeps or len(on) > 1 or view.other or view.swept or not on[0].fills(old):
        return blurred(view, axes, why)
    digits = tuple(Digit(d.axis, 1, new[d.axis], d.stride) if d in on else d for d in view.digits)
    part = view._replace(digits=digits)
    part = lacking(view, part, max(view.units - part.units, 0))
    return unknown(view.unknown or view.blurred or why, part)


def scattered(call: Call) -> Result:
    """A tensor with a slice or one index replaced by another tensor."""
    data, source = call.inputs[:2]
    axis, n = call.arg("dim", 0) % len(data.shape), len(data.shape)
    if call.op == "select_scatter":
        at = call.arg("index") % data.shape[axis]
        new = stacked(source, axis, at, n)
    else:
        start, step = call.arg("start", None) or 0, call.arg("step", 1)
        start = min(max(start + data.shape[axis] if start < 0 else start, 0), data.shape[axis])
        new = laid(source, {axis: range(start, start + source.shape[axis] * step, step)})
    views, flow, call.parts[0] = assembled(overlaid(laid(data, {}), new), call.shape)
    return views, fresh(flow)


def put(call: Call) -> Result:
    """Values written at the places that an index tensor names: known along axes that are not spatial."""
    data, values = call.inputs[0], call.inputs[-1]
    indices = call.arg("indices", None)
    axes = [call.arg("dim", 0)] if indices is None else [i for i, index in enumerate(indices) if index is not None]
    axes = [a % len(data.shape) for a in axes]
    keeps = len(axes) == 1 and len(values.shape) <= len(data.shape) and not any(v.depends for v in call.inputs[1:-1])
    if keeps and (parts := _put_parts(call, axes[0])):
        views, flow, call.parts[0] = assembled(parts, call.shape)
        return views, fresh(flow)
    rows = [data.views, tuple(_put(v, axes, keeps) for v in _as_last(values, len(data.shape)))]
    depend = [v.flow for v in (data, *call.inputs[1:]) if v.depends]
    for index in call.inputs[1:-1]:  # the index depends on the input
        rows.append(tuple(v and unknown("an index that depends on the input") for v in index.views))
    flow = fresh(merge_flows(depend))
    if any(old and new and old != new for old, new in zip(*rows[:2], strict=True)):
        flow = flow._replace(blended=call.name_and_label)
    return join_views(rows), flow


def filled_at(call: Call) -> Result | None:
    """A number written to the indices of an axis that a constant names."""
    data, *others = call.inputs
    if any(v.depends for v in others):
        return None
    axis, indices = call.arg("dim", 0) % max(len(data.shape), 1), _numbers(call)
    if not data.shape or any(v is not None and axis in v.axes for v in data.views):
        call.parts[0] = data.parts  # each place that is left is what it was
        return data.views, fresh(data.flow)
    if indices is not None:
        places = np.unique([i % data.shape[axis] for i in indices])
        filled = [Part({axis: run}, (None,) * len(data.views), Flow()) for run in runs(places)]
        views, flow, call.parts[0] = assembled(overlaid(laid(data, {}), filled), call.shape)
        return views, fresh(flow) if flow.origin is not None else flow
    if not any(axis in part.region for part in data.parts):
        call.parts[0] = data.parts
        return data.views, fresh(data.flow)
    why = "a number written to some of several parts that see different places"
    return tuple(v and unknown(v.unknown or why, v) for v in data.views), fresh(data.flow)


def _put_parts(call: Call, axis: int) -> list[Part]:
    """The parts of a tensor after a write to indices of one axis; none where they are places of a map or unreadable."""
    data, values, size = call.inputs[0], call.inputs[-1], call.shape[axis]
    if call.op == "index_add" or call.arg("accumulate", False) or len(call.inputs) != 3:
        return []
    views, indices = _as_last(values, len(call.shape)), _numbers(call)
    if indices is None or any(v is not None and axis in v.axes for v in (*data.views, *views)):
        return []
    if values.parts and len({i % size for i in indices}) < len(indices):  # which one is written last is undefined
        return []
    shift = len(call.shape) - len(values.shape)  # ``z[:, i] = v`` drops the first axes of size 1
    sizes = [len(indices) if a == axis else n for a, n in enumerate(call.shape)]
    if any(values.shape[a] != sizes[a + shift] for part in values.parts for a in part.region):
        return []
    new = []
    for part in values.parts or [Part({}, values.views, values.flow)]:
        region, flow = {a + shift: r for a, r in part.region.items()}, part.flow
        seen = _as_last(replace(values, views=part.views), len(call.shape))
        own = region.get(axis, range(len(indices)))
        places = np.unique([indices[i] % size for i in own])
        new += [Part({**region, axis: run}, seen, flow) for run in runs(places)]
    return overlaid(laid(data, {}), new)


def _as_last(value: Value, n: int) -> Views:
    """The views of a tensor whose axes are aligned with the last of ``n`` axes, as in broadcasting."""
    axes = [a + n - len(value.shape) for a in range(len(value.shape))]
    return tuple(moved(v, axes) for v in value.views)


def _put(view: View | None, axes: Sequence[int], keeps: bool) -> View | None:
    if view is None or not view.digits or (keeps and not any(d.axis in axes for d in view.digits)):
        return view
    return unknown(view.unknown or "a write by an index along a spatial axis")
