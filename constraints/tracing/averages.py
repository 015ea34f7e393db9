"""Recognise global averages written as sums, by the constants that scale a sum before and after it; no torch.

A sum over all units of a map is their average once it, or the map, is divided by their number. A sum that adds the
places of an axis one by one is a sum over that axis as soon as it holds all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from constraints.tracing.handles import Handle
from constraints.tracing.values import Call, Flow, Head, Picked, Value

_HOMOGENEOUS = frozenset(["relu", "leaky_relu", "_prelu_kernel", "prelu", "abs", "neg", "real", "imag"])
"""Functions with f(c x) = c f(x) for c > 0: a scale of the argument is a scale of the result."""
_SHIFTS = frozenset(["add", "sub"])
_SUMS = _SHIFTS | {"maximum", "minimum"}
"""Functions of several tensors with f(c x, c y) = c f(x, y) for c > 0."""
_EXACT = 1e-6


def scaled(call: Call, value: Value) -> Flow:
    """The flow after an elementwise function of one tensor and numbers, which may scale a sum or a map."""
    flow = value.flow
    factor = _factor(call) if call.op in ("mul", "div") else None
    if factor is not None:
        return _multiplied(flow, factor)
    if call.op in _SHIFTS or _is_unscaled(flow):
        return flow
    return flow._replace(picked=None) if call.op in _HOMOGENEOUS or _is_weighed(call) else _bent(flow)


def rejoined(call: Call, data: Sequence[Value]) -> Flow:
    """The flow of several functions of one tensor that are joined again, as in a hand-written activation."""
    flow = data[0].flow
    if all(_is_unscaled(v.flow) for v in data):
        return flow
    are_scaled = [v.flow.total != 0 or v.flow.scale != 1 for v in data]
    keeps_scale = call.op in _SUMS and are_scaled.count(are_scaled[0]) == len(data)
    return flow._replace(picked=None) if keeps_scale else _bent(flow)


def combined(call: Call, flow: Flow) -> Flow:
    """The flow of several joined tensors with the same scale: a sum keeps the scale."""
    return flow if call.op in _SUMS else _bent(flow)


def normalised(flow: Flow) -> Flow:
    """The flow after a norm, which removes a constant scale of its input."""
    return flow if flow.scale == 1 else flow._replace(scale=1.0)


def _is_weighed(call: Call) -> bool:
    """Whether each element is multiplied or divided by an element of weights."""
    first = call.args[0]
    is_divided = isinstance(first, Handle) and first.value is not None and first.value.depends
    return call.op == "mul" or (call.op == "div" and is_divided and not call.arg("rounding_mode", None))


def _is_unscaled(flow: Flow) -> bool:
    return flow.scale == 1 and not flow.total and flow.picked is None


def _bent(flow: Flow) -> Flow:
    return flow if _is_unscaled(flow) else flow._replace(scale=1.0, total=0.0, picked=None)


def _factor(call: Call) -> float | None:
    """The constant factor of a product or quotient; None where there is none."""
    given = [call.args[0], call.arg("other")]
    numbers = [n for n in map(_number, given) if n is not None]
    if len(numbers) != 1 or not numbers[0] or (call.op == "div" and call.arg("rounding_mode", None)):
        return None
    if call.op == "mul":
        return numbers[0]
    return 1 / numbers[0] if _number(given[1]) is not None else None


def _number(given: Any) -> float | None:
    if isinstance(given, Handle):
        return given.value.fill if given.value else None
    return float(given) if isinstance(given, (int, float)) else None


def _multiplied(flow: Flow, factor: float) -> Flow:
    if not flow.total:
        return flow._replace(scale=flow.scale * factor)
    return averaged(flow._replace(total=flow.total * factor))


def averaged(flow: Flow) -> Flow:
    """The flow of a global sum, turned into a global average where the sum was divided by the number of its units."""
    if not any(math.isclose(t, 1, rel_tol=_EXACT) for t in (flow.total, flow.total * flow.scale)):
        return flow
    heads = {Head("mean", h.call, h.map) if h.kind == "sum" else h for h in flow.heads}
    return flow._replace(heads=frozenset(heads), total=0.0, scale=1.0)


def units_summed(whole: Value, summed: Sequence[bool]) -> float:
    """The number of units of a map that were summed, over the summed spatial axes."""
    views = [v for v, is_summed in zip(whole.views, summed, strict=True) if v is not None and is_summed]
    sizes = {(d.axis, d.inner): d.size for v in views for d in v.digits}
    return float(math.prod(sizes.values()))


def picked(data: Value, axis: int, index: int) -> Picked | None:
    """One index of an axis that counts places of a map; None for another axis."""
    if data.parts or not any(v is not None and any(d.axis == axis for d in v.digits) for v in data.views):
        return None
    return Picked(data, axis, frozenset([index]))


def added(call: Call, data: Sequence[Value]) -> Picked | None:
    """The places of one axis that a sum has added so far, each once and all with the same weight; else None."""
    if call.op != "add" or len(data) != 2 or call.arg("alpha", 1) != 1:
        return None
    (first, one), (second, other) = ((v.flow.picked, v.flow) for v in data)
    if first is None or second is None or first.whole is not second.whole or first.axis != second.axis:
        return None
    if one.scale != other.scale or first.places & second.places:
        return None
    return first._replace(places=first.places | second.places)


def summed(found: Picked, scale: float) -> Value | None:
    """The tensor that is summed over an axis, scaled by ``scale``, if all its places were added; else None."""
    if len(found.places) < found.whole.shape[found.axis]:
        return None
    whole = found.whole
    return whole if scale == 1 else replace(whole, flow=whole.flow._replace(scale=whole.flow.scale * scale))
