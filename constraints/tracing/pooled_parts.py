"""Find poolings of several parts of one map that are combined, which may be one pooling of the map; no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

from constraints.tracing.axes import View, unknown
from constraints.tracing.values import Call, Flow, Head, Value, Views

_COMBINING = frozenset(["maximum", "minimum", "max", "min", "fmax", "fmin", "where", "add", "sub", "lerp", "logaddexp"])
"""Elementwise operations of several tensors that may make one pooling of those of parts."""
_SUMS = frozenset(["mean", "sum"])
_WHY = "it combines the pools of several parts of one map"


def are_pooled_apart(data: Value, axes: Collection[int], how: str) -> bool:
    """Whether a reduction over some axes combines the pools of several parts of one map.

    Sums of vectors that are sums of parts are followed elsewhere.
    """
    laid = [p.flow for p in data.parts if any(axis in p.region for axis in axes)]
    flows = laid or ([] if data.parts else [data.flow])
    if how in _SUMS and not data.is_live and all(_is_sum(h) for f in flows for h in _of_parts(f)):
        return False
    return _are_apart(flows)


def are_combined(call: Call, data: Sequence[Value]) -> bool:
    """Whether an elementwise operation combines the pools of several parts; sums of sums are followed elsewhere."""
    if call.op not in _COMBINING or not any(v.flow.heads for v in data):
        return False
    flows = [v.flow for v in data]
    return any(not _is_sum(h) for f in flows for h in _of_parts(f)) and _are_apart(flows)


def undecided(views: Views) -> Views:
    """The views of a result for which it is not known whether it is one pooling of the map."""
    return tuple(v and unknown(v.unknown or _WHY) for v in views)


def is_of_part(view: View) -> bool:
    """Whether a view is that of a pool over a part of a map, which may be a unit of a new one."""
    return bool(view.pooled) and view.pooled != "mixed" and not view.digits and view.left_out > 0


def maxima_of_parts(calls: Iterable[Call]) -> list[Call]:
    """Those spatial maxima that are taken over several parts of one map, and may be one over all of it."""
    of_parts = [(c, picked.whole) for c in calls if (picked := c.inputs[0].flow.picked) is not None]
    return [c for c, whole in of_parts if any(other is whole and d is not c for d, other in of_parts)]


def _are_apart(flows: Sequence[Flow]) -> bool:
    """Whether there are pools of different parts of one map."""
    heads = frozenset[Head]().union(*(_of_parts(f) for f in flows))
    pairs = combinations([p.whole for h in heads if h.map and (p := h.map.flow.picked) is not None], 2)
    return any(one is other for one, other in pairs)


def _is_sum(head: Head) -> bool:
    return head.call.op in _SUMS or "avg_pool" in head.call.op


def _of_parts(flow: Flow) -> list[Head]:
    return [h for h in flow.heads if h.is_last and h.map is not None and h.left_out]
