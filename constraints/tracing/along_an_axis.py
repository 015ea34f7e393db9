"""The rules of operations along one axis, each result of which may depend on all elements of the axis; no torch.

They are followed where that axis counts no places of a map: over channels, say, or over the entries of a code book.
"""

from __future__ import annotations

from constraints.tracing.axes import unknown
from constraints.tracing.calls import Result
from constraints.tracing.flows import fresh, merge_flows
from constraints.tracing.layouts import moved, without
from constraints.tracing.maxima import are_places
from constraints.tracing.rearranged import no_places
from constraints.tracing.values import Call, Value, join_views


def sorted_along(call: Call) -> Result | None:
    """Sorts, choices of the largest, cumulative sums."""
    data, n = call.inputs[0], max(len(call.inputs[0].shape), 1)
    axis = call.arg("dim", -1) % n
    if are_places(data, [axis]):
        return None
    gone = without([axis], n) if len(call.shape) < n else list(range(n))
    return tuple(moved(v, gone) for v in data.views), fresh(data.flow)


def scattered_along(call: Call) -> Result | None:
    """Elements written to the indices of an axis that a tensor names, as in a one-hot code; or read from there.

    Every element of the result sees what is at its place along the other axes, so these must have one size.
    """
    axis = call.arg("dim", 0) % max(len(call.shape), 1)
    data = [v for v in call.inputs if v.depends]
    if not data or any(are_places(v, [axis]) or not _is_beside(v, call, axis) for v in data):
        return None
    if call.op == "gather" and len(data) == 1 and any(axis in part.region for part in no_places(call.inputs[0])):
        why = "channels that see different places, picked by a constant index"
        return tuple(v and unknown(v.unknown or why, v) for v in data[0].views), fresh(data[0].flow)
    return join_views([v.views for v in data]), fresh(merge_flows([v.flow for v in data]))


def _is_beside(value: Value, call: Call, axis: int) -> bool:
    """Whether a tensor has the size of the result along all axes but one."""
    if len(value.shape) != len(call.shape):
        return False
    return all(a == axis or n == value.shape[a] for a, n in enumerate(call.shape))
