"""Apply an operation part by part to tensors assembled along axes that the operation does not mix; no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from constraints.tracing.axes import Cut
from constraints.tracing.calls import Operation
from constraints.tracing.cutting import cut_views
from constraints.tracing.rearranged import runs
from constraints.tracing.values import Call, Part, Value

_MOST_PARTS = 64


def distribute(call: Call, operation: Operation) -> None:
    """Record what the parts of the result see, so that a slice of it sees only what its own parts see."""
    found = _cut_axes(call.inputs, len(call.shape), may_count_places=_is_pointwise_layer(call))
    axes = [a for a in found if not _mixes(call, operation, a)]
    pieces = [_runs(call, axis) for axis in axes]
    if not axes or math.prod(map(len, pieces)) > _MOST_PARTS:
        return
    parts = []
    for piece in product(*pieces):
        cuts = [Cut(axis, run.start, run.step, len(run)) for axis, run in zip(axes, piece, strict=True)]
        inputs = [_piece(v, cuts, call) for v in call.inputs]
        sizes = {cut.axis: cut.size for cut in cuts}
        shape = tuple(sizes.get(a, n) for a, n in enumerate(call.shape))
        changes = {"groups": sizes[_channels(call)]} if call.is_depthwise and _channels(call) in sizes else {}
        part = call.changed(inputs=inputs, shape=shape, kwargs={**call.kwargs, **changes}, tags=set(), parts={})
        result = operation.rule(part) if any(v.depends for v in inputs) else ((None,) * len(inputs[0].views), None)
        if result[1] is not None:
            parts.append(Part(dict(zip(axes, piece, strict=True)), *result))
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


def _cut_axes(inputs: Sequence[Value], n: int, *, may_count_places: bool) -> list[int]:
    """The axes of the result (of ``n`` axes) along which inputs were assembled.

    Empty where one counts places of a map, unless ``may_count_places`` and the map as a whole is not one.
    """
    found = set()
    for value in inputs:
        spatial = {d.axis for v in value.views if v is not None for d in v.digits} if value.parts else set()
        is_known = not may_count_places or not any(v is not None and (v.blurred or v.unknown) for v in value.views)
        if is_known and any(spatial.intersection(p.region) for p in value.parts):
            return []
        for part in value.parts:
            found |= {a + n - len(value.shape) for a in part.region}
    return sorted(found)


def _runs(call: Call, axis: int) -> list[range]:
    """The indices of an axis of the result, in ranges of which each holds the same parts throughout."""
    size, held = call.shape[axis], [np.zeros(call.shape[axis], dtype=bool)]
    for value in call.inputs:
        at = axis - len(call.shape) + len(value.shape)
        for part in value.parts if at >= 0 and value.shape[at] == size else ():
            own = part.region.get(at, range(size))
            held.append(np.isin(np.arange(size), own))
    _, kinds = np.unique(np.stack(held), axis=1, return_inverse=True)
    kinds = kinds.reshape(-1)
    return [run for kind in range(kinds.max() + 1) for run in runs(np.flatnonzero(kinds == kind))]


def _piece(value: Value, cuts: Iterable[Cut], call: Call) -> Value:
    """The part of an input that a piece of the result needs; all of an input that is broadcast or a weight."""
    if call.is_conv and value is not call.inputs[0]:
        return value
    whole, shift = value, len(value.shape) - len(call.shape)
    for cut in cuts:
        at = cut.axis + shift
        if at >= 0 and whole.shape[at] == call.shape[cut.axis]:
            views, flow, parts = cut_views(value, cut._replace(axis=at))
            shape = tuple(cut.size if a == at else n for a, n in enumerate(value.shape))
            value = replace(value, shape=shape, views=views, flow=flow, parts=parts)
    if value is whole:
        return value
    flow = whole.flow if value.flow.origin is not None else value.flow  # to recognise a hand-written activation
    return replace(value, flow=flow, parts=())
