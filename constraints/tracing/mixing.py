"""The rules of operations that combine tensors or elements: pointwise, concatenation, reductions, pooling."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import combinations

from constraints.tracing import averages, maxima, picked_places
from constraints.tracing.assembling import assembled
from constraints.tracing.attention import beside, is_scaling, limited
from constraints.tracing.axes import Shape, View, are_aligned, unknown
from constraints.tracing.calls import Result, Results
from constraints.tracing.flows import merge_flows
from constraints.tracing.layouts import moved, without
from constraints.tracing.linear_forms import coefficients
from constraints.tracing.parts import is_of_places, laid
from constraints.tracing.pooled_parts import are_combined, undecided
from constraints.tracing.pooling import pool
from constraints.tracing.values import Call, Part, Picked, Value, Views, join_views


def pointwise(call: Call) -> Result:
    """An elementwise function of one tensor, or of several that are broadcast together."""
    data = [v for v in call.inputs if v.depends]
    if len(data) == 1:
        views, flow = _unary(call, data[0])
        return (limited(views) if "limited" in call.tags else views), flow
    rows = [broadcast(v.views, v.shape, call.shape) for v in data]
    maxima.note_pointwise(call, data, rows)
    sums = picked_places.added(data, coefficients(call, data)) if data[0].flow.picked is not None else None
    if sums is not None:
        return _added(call, data, rows, sums)
    if all(v.flow.origin is data[0].flow.origin for v in data) and all(_are_aligned(rows[0], row) for row in rows[1:]):
        flow = averages.rejoined(call, data)._replace(depthwise=_union(v.flow.depthwise for v in data))
        return join_views(rows), flow
    views, flow = combined(call, data, rows)
    if are_combined(call, data):
        return undecided(views), flow
    return views, maxima.met(call, data, rows, flow)


def _added(call: Call, data: list[Value], rows: list[Views], sums: Picked) -> Result:
    """Places of a map added one after the other; once all are added with one weight, a sum over their axes."""
    if (whole := _whole_sum(call, sums)) is not None:
        return whole
    views, flow = combined(call, data, rows)
    _note_sum(call, sums)
    return views, maxima.met(call, data, rows, flow._replace(picked=sums))


def _whole_sum(call: Call, sums: Picked) -> Result | None:
    """The result of adding all places of a map along some axes with one weight; None if that is not what was added."""
    weight, whole, n = picked_places.common_weight(sums), sums.whole, len(sums.whole.shape)
    if not weight or math.isnan(weight):
        return None
    scaled = replace(whole, flow=whole.flow._replace(scale=whole.flow.scale * abs(weight)))
    views, flow = pool(call, scaled, sums.gone, "sum")
    axes = without(sums.gone, n)
    return tuple(moved(v, axes) if len(call.shape) < n else v for v in views), flow


def _note_sum(call: Call, sums: Picked | None) -> None:
    """Tag a call whose result may be an average over all places of a map."""
    if sums is not None and picked_places.are_of_all_axes(sums) and math.isnan(picked_places.common_weight(sums)):
        call.tags.add("averages")


def _are_aligned(first: Views, second: Views) -> bool:
    """Whether two tensors have the same digits, or the digits of one are a subset of the other's."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    return all(a.digits == b.digits or not (a.digits and b.digits) or are_aligned(a, b) for a, b in pairs)


def _unary(call: Call, value: Value) -> Result:
    maxima.note_unary(call, value)
    return broadcast(value.views, value.shape, call.shape), averages.scaled(call, value)


def broadcast(views: Views, shape: Shape, out: Shape) -> Views:
    """The views of a tensor as those of its broadcast to the shape ``out``."""
    if shape == out:
        return views
    shift = len(out) - len(shape)
    axes = [None if n == 1 and out[i + shift] > 1 else i + shift for i, n in enumerate(shape)]
    return tuple(moved(v, axes) for v in views)


def combined(call: Call, data: list[Value], rows: list[Views]) -> Result:
    """Several tensors combined; a gate (a value of the whole map that scales or shifts it) does not widen its field."""
    gates, shape = _of_other_inputs(data, call.shape), call.shape
    rows = [tuple(None for _ in row) if i in gates else row for i, row in enumerate(rows)]
    found = [_scaled(column, data, shape) for column in zip(*rows, strict=True)]
    gates = gates.union(*(which for _, which, _ in found))
    mains = [i for i in range(len(data)) if i not in gates or data[i].is_local]
    flow = merge_flows([data[i].flow for i in mains])
    flow = averages.combined(call, flow) if len(mains) > 1 else flow
    context = bool(gates) or any(spans for _, _, spans in found)  # on one axis too: the reach grows with the input
    flow = flow._replace(context=flow.context or context, depthwise=frozenset(), origin=object())
    return _uncrossed(tuple(view for view, _, _ in found)), flow


def _uncrossed(views: Views) -> Views:
    """Unknown where a tensor axis corresponds to two axes of the input, as in a map joined with its transpose."""
    tables = [v for v in views if v is not None and v.other is not None]
    places = [{d[:3] for part in (v, v.other) if part for d in part.digits if d.size > 1} for v in tables]
    if not any(a & b for a, b in combinations(places, 2)):
        return views
    return tuple(v and unknown("a join of maps whose spatial axes are laid out differently") for v in views)


def _scaled(column: Sequence[View | None], data: list[Value], shape: Shape) -> tuple[View | None, set[int], bool]:
    """What elements see along one axis, which tensors are gates along it, and whether a table of pairs spans it."""
    live = [v for v in column if v is not None and v.is_local]
    gates = {i for i, v in enumerate(column) if live and v is not None and is_scaling(v, data[i].shape, shape, live)}
    result: View | None = None
    spans = False
    for i, view in enumerate(column):
        if view is not None and i not in gates:
            result, pairs = beside(result, view)
            spans = spans or pairs
    return result, gates, spans


def _of_other_inputs(data: Sequence[Value], shape: Shape) -> set[int]:
    """The values that see another input as a whole and scale a map of this one."""
    live = [v for value in data for v in value.views if v is not None and v.is_live]
    found = set()
    for i, value in enumerate(data):
        views = [v for v in value.views if v is not None]
        apart = any(o.is_live and not any(a and b for a, b in zip(o.views, value.views, strict=True)) for o in data)
        if apart and all(is_scaling(v, value.shape, shape, live) for v in views):
            found.add(i)
    return found


def normalisation(call: Call) -> Result:
    """Batch, layer, group and RMS normalisation: by definition they do not widen the field."""
    data = call.inputs[0]
    return data.views, averages.normalised(data.flow)


def concatenation(call: Call) -> Result:
    """Concatenation along an axis: along the other axes, the hull of all inputs."""
    axis, at, parts = call.arg("dim", 0) % len(call.shape), 0, list[Part]()
    if not any(v.depends for v in call.inputs if v.shape != (0,)):
        return pointwise(call)  # only empty tensors, as when a detector finds no object
    for value in call.inputs:
        if value.shape != (0,):
            parts += laid(value, {axis: range(at, at + value.shape[axis])})
            at += value.shape[axis]
    views, flow, call.parts[0] = assembled(parts, call.shape)
    return views, flow._replace(origin=object())


def reduction(call: Call) -> Result | Results:
    """Mean, sum, maximum, norm, ... over some axes or all of them."""
    data = call.inputs[0]
    n = len(data.shape)
    dims = call.arg("dim", None) if "dim" in call.names else None
    given = range(n) if dims is None or dims == [] else [dims] if isinstance(dims, int) else dims
    axes = [a % n for a in given]
    maxima.note_reduction(call, data, axes)
    if call.op in ("var_mean", "std_mean"):
        return [_reduced(call, data, axes, "other"), _reduced(call, data, axes, "mean")]
    how = "sum" if maxima.order_of_norm(call) == 1 else _HOW.get(call.op, "other")
    if how not in ("mean", "sum") or not (data.parts or data.flow.picked is not None):
        return _reduced(call, data, axes, how)
    is_map = data.flow.map is data  # of parts that are units of a new map
    sums = None if is_map else picked_places.summed_parts(data, axes, is_mean=how == "mean")
    if sums is not None and (whole := _whole_sum(call, sums)) is not None:
        return whole
    sums = sums or picked_places.summed(data, axes, is_mean=how == "mean")
    _note_sum(call, sums)
    views, flow = _reduced(call, data, axes, how)
    return views, flow._replace(picked=sums)


_HOW = {"mean": "mean", "nanmean": "mean", "sum": "sum", "nansum": "sum", "amax": "max", "max": "max"}
"""Operation -> how it reduces axes; the averages of numbers that are none are left out."""


def _reduced(call: Call, data: Value, axes: Collection[int], how: str) -> Result:
    n = len(data.shape)
    views, flow = pool(call, data, axes, how)
    if flow.blended and all(size == 1 or a in axes or is_of_places(views, a) for a, size in enumerate(data.shape)):
        flow = flow._replace(blended="")
    if len(call.shape) == n:
        return views, flow
    left = without(set(axes), n)
    return tuple(moved(v, left) for v in views), flow


def _union(several: Iterable[frozenset[tuple[object, ...]]]) -> frozenset[tuple[object, ...]]:
    return frozenset().union(*several)
