"""The receptive field of attention: products of two tensors that both depend on the input, and softmax.

A product that sums over channels (queries times keys) is a table of pairs: each element sees one place of each side.
A product that sums over places (weights times values) combines them. Where these are all places of the map, or some of
each region, so that a larger input has more of them, the result sees them as through a gate: as global context, in
addition to its local field. Places of a window (whose size does not grow with the input) count with their reach.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from constraints.tracing.axes import Shape, View, are_aligned, covers, unknown
from constraints.tracing.calls import Result
from constraints.tracing.flows import fresh, merge_flows
from constraints.tracing.joining import joined, paired, reduced
from constraints.tracing.layouts import moved
from constraints.tracing.values import Call, Flow, Value, Views

Side = tuple[Value, int, Sequence[int | None]]
"""One side of a product: the tensor, the summed axis, and for each axis the axis of the result that it becomes."""


def softmax(call: Call) -> Result:
    """Softmax: each element is scaled by all elements along the axis, the whole map or a window."""
    data = call.inputs[0]
    axis = call.arg("dim") % len(data.shape)
    views, context = list(data.views), data.flow.context
    for i, view in enumerate(views):
        summed = [d for d in view.digits if d.axis == axis] if view else []
        if view is None or not summed or view.other:
            continue  # a table of pairs is summed next; its global context was noted when it was made
        if covers(summed, [d for d in view.digits if d.axis != axis]):
            context = True
        else:
            views[i] = joined(view, reduced(view, [axis]))
    return tuple(views), fresh(data.flow, context=context)


def matched(sides: Sequence[Side]) -> Result:
    """A product of two tensors that both depend on the input."""
    views, context, local = _times([(value.views, axis, axes) for value, axis, axes in sides])
    return views, _flow([value for value, _, _ in sides], local, context)


def attention(call: Call) -> Result:
    """Fused scaled dot product attention: the table of queries times keys, then times values."""
    query, key, value = call.inputs[:3]
    n, length = len(query.shape), key.shape[-2]
    call.macs = math.prod(query.shape) * length + math.prod(query.shape[:-1]) * length * value.shape[-1]
    batch = range(n - 2)
    table, near, _ = _times([(query.views, n - 1, [*batch, n - 2, None]), (key.views, n - 1, [*batch, n - 1, None])])
    if "limited" in call.tags:
        table = limited(table)
    views, far, local = _times([(table, n - 1, [*batch, n - 2, None]), (value.views, n - 2, [*batch, None, n - 1])])
    data = [query, key, value]
    kept = [local[0], local[0], local[1]]
    return views, _flow(data, kept, near or far)


def limited(views: Views) -> Views:
    """Unknown where a mask on a table of pairs keeps every place from seeing across the map."""
    why = "a mask says which places see which, and so how far they see"
    return tuple(unknown(why, v._replace(other=None)) if v is not None and v.other else v for v in views)


def _times(sides: Sequence[tuple[Views, int, Sequence[int | None]]]) -> tuple[Views, bool, list[bool]]:
    """The views of a product, whether it adds global context, and which sides it sees locally."""
    rows = [tuple(moved(reduced(v, [axis], "attended"), axes) for v in views) for views, axis, axes in sides]
    found = [met(column) for column in zip(*rows, strict=True)]
    is_map = any(v is not None and v.is_local for row in rows for v in row)
    local = [not is_map or any(v is not None and (v.is_local or v.unknown) for v in row) for row in rows]
    return tuple(view for view, _ in found), any(context for _, context in found), local


def met(column: Sequence[View | None]) -> tuple[View | None, bool]:
    """What elements of a product see along one axis, and whether one of the tensors adds global context."""
    views = [v for v in column if v is not None]
    lost = next((v for v in views if v.unknown), None)
    if lost is not None:
        return lost, False
    is_map = any(v.is_local for v in views)
    aside = [is_map and not v.is_local and _sees_all(v) for v in views]
    result, context = None, any(aside)
    for view in (v for v, is_aside in zip(views, aside, strict=True) if not is_aside):
        result, spans = beside(result, view)
        context = context or spans
    if result and not result.digits and any(v.pooled == "attended" for v in views):
        result = result._replace(pooled="attended")
    return result, context


def _sees_all(view: View) -> bool:
    """Whether a tensor without places along the axis sees the whole map."""
    first, last = view.field.at(0)
    return (
        view.is_whole
        or bool(view.pooled or (view.blurred and not view.digits))
        or (first <= 0 and last >= view.extent - 1)
    )


def beside(a: View | None, b: View) -> tuple[View | None, bool]:
    """The join of two aligned tensors; the table of pairs of two that count along different tensor axes.

    The second result says whether a sum over one side of the table adds global context.
    """
    if a is None or a.other or b.other or not (a.digits and b.digits) or are_aligned(a, b):
        return joined(a, b), False
    shared = {d[:3] for d in a.digits} & {d[:3] for d in b.digits}
    kept = [d for d in a.digits if d[:3] in shared]
    spans = any(covers([d for d in view.digits if d[:3] not in shared], kept) for view in (a, b))
    return paired(a, b), spans


def _flow(data: Sequence[Value], local: Sequence[bool], context: bool) -> Flow:
    """The flow of a product of all sides; poolings are inherited only from sides that are not gates."""
    flow = merge_flows([value.flow for value in data])
    heads = [value.flow.heads for value, is_local in zip(data, local, strict=True) if is_local]
    return fresh(flow, heads=frozenset().union(*heads), context=flow.context or context)


def is_scaling(view: View, shape: Shape, out: Shape, live: Sequence[View]) -> bool:
    """Whether a view of a tensor of ``shape`` only scales or shifts the ``live`` maps of shape ``out``, as a gate."""
    if view.is_whole:
        return True
    if view.digits or view.unknown or view.pooled != "mixed":
        return False
    shift = len(out) - len(shape)
    axes = {d.axis - shift for v in live for d in v.digits}
    return all(axis < 0 or shape[axis] == 1 for axis in axes)
