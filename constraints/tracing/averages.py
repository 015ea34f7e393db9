"""Recognise global averages written as sums, by the constants that scale a sum before and after it; no torch.

A sum over all units of a map is their average once it, or the map, is divided by their number. A sum that adds the
places of an axis one by one is a sum over that axis as soon as it holds all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from constraints.tracing.linear_forms import LINEAR, coefficients
from constraints.tracing.picked_places import bent, weighed
from constraints.tracing.values import Call, Flow, Head, Value

_HOMOGENEOUS = frozenset(["relu", "leaky_relu", "_prelu_kernel", "prelu", "abs", "imag"])
"""Functions with f(c x) = c f(x) for c > 0: a scale of the argument is a scale of the result."""
_SHIFTS = frozenset(["add", "sub"])
_SUMS = _SHIFTS | {"maximum", "minimum"}
"""Functions of several tensors with f(c x, c y) = c f(x, y) for c > 0."""
_EXACT = 1e-6


def scaled(call: Call, value: Value) -> Flow:
    """The flow after an elementwise function of one tensor and numbers, which may scale a sum or a map."""
    flow = value.flow
    is_linear = call.op in LINEAR
    if not is_linear and _is_unscaled(flow):
        return flow
    (factor,) = coefficients(call, [value]) if is_linear else (0.0,)
    if factor:
        return _multiplied(call, flow, factor)
    if factor is None:  # weights that differ from element to element
        return flow._replace(picked=None)
    return _straightened(flow) if call.op in _HOMOGENEOUS else _bent(flow)


def rejoined(call: Call, data: Sequence[Value]) -> Flow:
    """The flow of several functions of one tensor that are joined again, as in a hand-written activation."""
    flow = data[0].flow
    if all(_is_unscaled(v.flow) for v in data):
        return flow
    are_scaled = [v.flow.total != 0 or v.flow.scale != 1 for v in data]
    keeps_scale = call.op in _SUMS and are_scaled.count(are_scaled[0]) == len(data)
    return _straightened(flow) if keeps_scale else _bent(flow)


def combined(call: Call, flow: Flow) -> Flow:
    """The flow of several joined tensors with the same scale: a sum keeps the scale."""
    return flow if call.op in _SUMS else _bent(flow)


def normalised(flow: Flow) -> Flow:
    """The flow after a norm, which removes a constant scale of its input."""
    return flow if flow.scale == 1 else flow._replace(scale=1.0)


def _is_unscaled(flow: Flow) -> bool:
    return flow.scale == 1 and not flow.total and flow.picked is None


def _bent(flow: Flow) -> Flow:
    return flow if _is_unscaled(flow) else flow._replace(scale=1.0, total=0.0, picked=bent(flow.picked))


def _straightened(flow: Flow) -> Flow:
    return flow._replace(picked=bent(flow.picked))


def _multiplied(call: Call, flow: Flow, factor: float) -> Flow:
    if factor == 1:
        return flow
    if not flow.total:
        return flow._replace(scale=flow.scale * abs(factor), picked=weighed(flow.picked, factor))
    return averaged(call, flow._replace(total=flow.total * abs(factor)))


def averaged(call: Call, flow: Flow) -> Flow:
    """The flow of a global sum, turned into a global average where the sum was divided by the number of its units.

    Where it was multiplied by a constant that cannot be read, the call is tagged as one that may make an average.
    """
    if math.isnan(flow.total * flow.scale):
        call.tags.add("averages")
    if not any(math.isclose(t, 1, rel_tol=_EXACT) for t in (flow.total, flow.total * flow.scale)):
        return flow
    heads = {Head("mean", h.call, h.map) if h.kind == "sum" else h for h in flow.heads}
    return flow._replace(heads=frozenset(heads), total=0.0, scale=1.0)


def units_summed(whole: Value, summed: Sequence[bool]) -> float:
    """The number of units of a map that were summed, over the summed spatial axes."""
    views = [v for v, is_summed in zip(whole.views, summed, strict=True) if v is not None and is_summed]
    sizes = {(d.axis, d.inner): d.size for v in views for d in v.digits}
    return float(math.prod(sizes.values()))
