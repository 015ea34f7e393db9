"""Reductions of a map over some axes, which are a global pooling where they remove its last spatial axis."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from constraints.tracing import averages
from constraints.tracing.assembling import of_rows
from constraints.tracing.axes import unknown
from constraints.tracing.calls import Result
from constraints.tracing.flows import fresh
from constraints.tracing.joining import MIXED, reduced
from constraints.tracing.pooled_parts import are_pooled_apart, undecided
from constraints.tracing.values import Call, Head, Value, Views

_TWO_CHANNEL_AXES = 2
"""Number of axes of a map that are not spatial: batch and channels."""
_SPATIAL_AXES = 2


def pool(call: Call, data: Value, axes: Iterable[int], how: str) -> Result:
    """Reduce some axes; where that removes the last spatial axis, it is a global pooling."""
    axes, rows = _with_single_units(data, set(axes))
    views = tuple(reduced(v, axes, how) for v in rows)
    if data.flow.heads and (how != "other" or views != data.views) and are_pooled_apart(data, axes, how):
        return undecided(views), fresh(data.flow)
    if views == data.views:
        return as_of_a_map(views, data, axes), data.flow._replace(depthwise=frozenset())
    whole = data.flow.whole or data
    if any(v is not None and v.digits for v in views):
        still = any(
            v is not None and v is not before and v.is_local for v, before in zip(views, data.views, strict=True)
        )
        # an example: the windows of ``unfold`` become units of a map again
        return views, fresh(data.flow, whole=None if still else whole, scale=data.flow.scale)
    kinds = _kinds(views, whole)
    if len(kinds) > 1 and len(own := _kinds(views, data)) == 1 and _is_flat_map(data):
        kinds, whole = own, data  # an example: a maximum over frames, then a pooling of the resulting map
    if "mixed" in kinds and len(kinds) > 1:  # an example: a linear layer over one axis
        views = tuple(unknown(MIXED, v) if v is not None and v.pooled == "mixed" else v for v in views)
        kinds.remove("mixed")
    kind = next(iter(kinds)) if len(kinds) == 1 else "sum" if kinds == {"sum", "mean"} else "other"
    pooled = _pooled_before(data) if whole is data else None
    flow = fresh(data.flow, heads=data.flow.heads | {Head(kind, call, pooled or whole)})
    if of_rows(whole) is not whole.views:  # the field of each row is known
        views = tuple(v and v._replace(blurred="") for v in views)
    if kind != "sum":
        return views, flow
    total = averages.units_summed(whole, [v is not None and v.pooled == "sum" for v in views])
    return views, averages.averaged(call, flow._replace(total=total, scale=data.flow.scale))


def _pooled_before(data: Value) -> Value | None:
    """The latest of the maps that were pooled globally one by one before their pools were put along an axis, if any.

    An example: frames of a video, whose pools are averaged over time.
    """
    if _is_flat_map(data) or not any(v is not None and v.pooled and not v.digits for v in data.views):
        return None
    maps = [h.map for h in data.flow.heads if h.is_last and h.map is not None and _is_flat_map(h.map)]
    return max(maps, key=lambda m: m.index, default=None)


def _with_single_units(data: Value, axes: set[int]) -> tuple[set[int], Views]:
    """The axes of a reduction, also those that poolings left one unit of, if it reduces all others; and the views.

    A layer on what a pooling left makes a map of its own, however the axis was pooled before.
    """
    if data.flow.whole is None:
        marked = any(v is not None and v.pooled and v.is_live for v in data.views)
        return axes, tuple(
            v._replace(pooled="") if v and v.is_live else v for v in data.views
        ) if marked else data.views
    left = {d.axis: d.size for v in data.views if v is not None for d in v.digits if d.axis not in axes}
    return (axes | left.keys() if set(left.values()) <= {1} else axes), data.views


def pool_by_weights(call: Call, data: Value, axes: Sequence[int], weight: float) -> Result:
    """Sum over some axes, with the same constant weight for all elements."""
    if math.isclose(abs(weight) * math.prod(data.shape[a] for a in axes), 1, rel_tol=1e-5):
        return pool(call, data, axes, "mean")
    return pool(call, replace(data, flow=data.flow._replace(scale=data.flow.scale * abs(weight))), axes, "sum")


def _kinds(views: Views, whole: Value) -> set[str]:
    """How the axes of a map were pooled, without axes that were pooled, merged with channels or selected before it."""
    is_flat = _is_flat_map(whole)  # as is a layer's map of a selected frame; that of a row of an image is not
    pairs = zip(views, whole.views, strict=True)
    own = [(v, w) for v, w in pairs if v and not (w and w.is_gone and (w.is_unit or (is_flat and not w.left_out)))]
    return {v.pooled for v, w in own if not v.is_unit and ((w and w.digits) or v.pooled in ("", "mixed"))}


def _is_flat_map(data: Value) -> bool:
    """Whether a tensor is a map along two or more spatial axes."""
    return len([v for v in data.views if v is not None and v.is_live]) >= _SPATIAL_AXES


def as_of_a_map(views: Views, data: Value, axes: Collection[int]) -> Views:
    """Unknown where a layer slides over or pools axes made by a linear layer that mixed all places of a map."""
    mixed = [v for v in data.views if v is not None and v.pooled == "mixed" and not v.digits]
    if not mixed:
        return views
    sizes = [data.shape[a] for a in axes]
    if not sizes or min(sizes) == 1 or not len(mixed) <= len(sizes) <= len(data.shape) - _TWO_CHANNEL_AXES:
        return views
    why = "it reads as a map what a linear layer computed from all places of one"
    return tuple(unknown(why, v) if v and v.pooled == "mixed" and not (v.digits or v.unknown) else v for v in views)
