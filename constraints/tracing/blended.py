"""Channels and pieces of a map that see different places, and are not followed through an operation; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from constraints.tracing.axes import View
from constraints.tracing.cutting import cuts
from constraints.tracing.parts import is_of_places
from constraints.tracing.products import operands
from constraints.tracing.rearranged import differ
from constraints.tracing.values import Call, Part, Value

_SEEING_ALL = """
    mean sum amax amin max min prod var std var_mean std_mean norm linalg_vector_norm logsumexp any all argmax argmin
    count_nonzero aminmax median nansum nanmean _softmax _log_softmax _safe_softmax
"""
"""Operations each of whose results sees all elements along the axes ``dim``."""


def is_blended(call: Call, which: int, views: Sequence[View | None]) -> bool:
    """Whether the parts of an operand are no longer known in a result of a call, though they may still be apart in it.

    ``views`` are those of the result.
    """
    if which in call.parts or not _loses_parts(call, views):
        return False
    maps = [i for i, v in enumerate(views) if v is not None and v.digits]
    return any(differ(value, maps) and not _touched(value) <= _gone(call, value) for value in call.inputs)


def pieces(call: Call, which: int, views: Sequence[View | None]) -> frozenset[int]:
    """The spatial axes along which an operand is put together of pieces that are no longer known in a result of a call.

    Only those are meant along which the pieces have different fields across the axis: where the map is cut along it
    later, what is left sees what its own pieces see.
    """
    if not _loses_parts(call, views):
        return frozenset()
    kept = {axis for part in call.parts.get(which, ()) for axis in part.region}
    return frozenset(
        at
        for value in call.inputs
        if value.parts
        for at, view in enumerate(views)
        if view is not None and kept.isdisjoint(view.axes) and _is_pieced(value, at)
    )


def _is_pieced(value: Value, along: int) -> bool:
    """Whether two pieces that follow each other along a spatial axis have different fields along another one."""
    view = value.views[along]
    if view is None or len(view.axes) != 1:
        return False
    (axis,) = view.axes
    across = [i for i, v in enumerate(value.views) if v is not None and axis not in v.axes]
    return any(
        a.region.get(axis) != b.region.get(axis) and _differ_across(a, b, across)
        for a, b in combinations(value.parts, 2)
        if axis in a.region or axis in b.region
    )


def _differ_across(a: Part, b: Part, across: Sequence[int]) -> bool:
    several = [(a.views[i], b.views[i]) for i in across]
    return any(v != w and v.size != w.size for v, w in several if v is not None and w is not None)


def _loses_parts(call: Call, views: Sequence[View | None]) -> bool:
    """Whether the parts of operands may no longer be known in a result of a call, whose ``views`` these are."""
    if views is call.inputs[0].views and len(call.inputs[0].shape) == len(call.shape):
        return False  # they are those of the operand
    return not any(v.parts and cuts(call, v.shape) is not None for v in call.inputs)


def _touched(value: Value) -> set[int]:
    """The axes along which the parts are, without those that count places of the map that they make up."""
    touched = {axis for part in value.parts for axis in part.region if value.shape[axis] > 1}
    return {axis for axis in touched if not is_of_places(value.views, axis)}


def _gone(call: Call, value: Value) -> set[int]:
    """The axes of an operand along which each result sees all elements."""
    n = len(value.shape)
    if call.is_conv:
        return {n - len(call.kernel) - 1}
    if call.op in _SEEING_ALL.split():
        dims = call.arg("dim", None) if "dim" in call.names else None
        return {d % n for d in ([dims] if isinstance(dims, int) else dims or range(n))}
    if call.label in ("linear", "matmul"):
        left, right = operands(call)
        return {n - 1} if value is left else {max(n - 2, 0)} if value is right else set()
    if call.label in ("lstm", "gru", "rnn", "scaled_dot_product_attention"):
        return {n - 1} if value is not call.inputs[2] else set()  # not the values of an attention
    return set()
