"""Apply an operation part by part to tensors assembled along an axis that the operation does not mix; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from constraints.tracing.axes import Cut
from constraints.tracing.calls import Operation
from constraints.tracing.cutting import cut_views
from constraints.tracing.values import Call, Part, Value

_MOST_PARTS = 64


def distribute(call: Call, operation: Operation) -> None:
    """Record what the parts of the result see, so that a slice of it sees only what its own parts see."""
    axis = _cut_axis(call.inputs, len(call.shape), may_count_places=_is_pointwise_layer(call))
    if axis is None or _mixes(call, operation, axis):
        return
    ends = sorted({0, call.shape[axis], *_ends(call.inputs, axis, len(call.shape))})
    if len(ends) > _MOST_PARTS or ends[-1] != call.shape[axis]:
        return
    parts = []
    for start, end in pairwise(ends):
        inputs = [_piece(v, axis, Cut(axis, start, 1, end - start), call) for v in call.inputs]
        shape = tuple(end - start if a == axis else n for a, n in enumerate(call.shape))
        changes = {"groups": end - start} if call.is_depthwise and axis == _channels(call) else {}
        piece = call.changed(inputs=inputs, shape=shape, kwargs={**call.kwargs, **changes}, tags=set(), parts={})
        result = operation.rule(piece) if any(v.depends for v in inputs) else ((None,) * len(inputs[0].views), None)
        if result[1] is not None:
            parts.append(Part({axis: range(start, end)}, *result))
    call.parts[0] = tuple(parts)


def _mixes(call: Call, operation: Operation, axis: int) -> bool:
    """Whether the operation mixes the indices of an axis."""
    assert operation.apart is not None
    if _is_pointwise_layer(call):
        return axis == _channels(call) and not call.is_depthwise
    return axis >= len(call.shape) - operation.apart(call)


def _is_pointwise_layer(call: Call) -> bool:
    """Whether it is a convolution that mixes no places."""
    data = call.inputs[0].shape[_channels(call) + 1 :] if call.is_conv else ()
    return call.is_conv and not call.is_transposed and not call.is_spatial and call.shape[_channels(call) + 1 :] == data


def _channels(call: Call) -> int:
    return len(call.shape) - len(call.kernel) - 1


def _cut_axis(inputs: Sequence[Value], n: int, *, may_count_places: bool) -> int | None:
    """The one axis of the result (of ``n`` axes) along which inputs were assembled, or the first if that is among them.

    None if it is not unique; also if it counts places of a map, unless ``may_count_places`` and the map as a whole is
    not one.
    """
    found = set()
    for value in inputs:
        spatial = {d.axis for v in value.views if v is not None for d in v.digits} if value.parts else set()
        is_known = not may_count_places or not any(v is not None and (v.blurred or v.unknown) for v in value.views)
        if is_known and any(spatial.intersection(p.region) for p in value.parts):
            return None
        for part in value.parts:
            found |= {a + n - len(value.shape) for a in part.region}
    axis = 0 if 0 in found else next(iter(found), None)  # rows of the batch, whatever their channels are made of
    at = [p.region.get((axis or 0) - n + len(v.shape)) for v in inputs for p in v.parts]
    return None if (axis != 0 and len(found) > 1) or any(r is not None and r.step != 1 for r in at) else axis


def _ends(inputs: Sequence[Value], axis: int, n: int) -> set[int]:
    found: set[int] = set()
    for value in inputs:
        for part in value.parts:
            indices = part.region.get(axis - n + len(value.shape))
            if indices is not None:
                found |= {indices.start, indices.stop}
    return found


def _piece(value: Value, axis: int, cut: Cut, call: Call) -> Value:
    """The part of an input that a piece of the result needs; all of an input that is broadcast or a weight."""
    at = axis - len(call.shape) + len(value.shape)
    if at < 0 or value.shape[at] != call.shape[axis] or (call.is_conv and value is not call.inputs[0]):
        return value
    views, flow, _ = cut_views(value, cut._replace(axis=at))
    shape = tuple(cut.size if a == at else n for a, n in enumerate(value.shape))
    flow = value.flow if flow.origin is not None else flow  # to recognise a hand-written activation
    return replace(value, shape=shape, views=views, flow=flow, parts=())
