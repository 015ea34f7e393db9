"""Find operations that take the maximum over places of a map, or may do so; no torch.

A maximum can be written without one: as a comparison that chooses, as the negative of a minimum, as
``a + relu(b - a)``, as a norm of infinite order. A certain maximum is tagged "max_pool", a possible one "picks".
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import combinations, pairwise, permutations

from constraints.tracing.handles import Handle
from constraints.tracing.lineage import Relation, is_of_neighbours, may_be_shifted, relation
from constraints.tracing.neighbours import are_neighbours
from constraints.tracing.values import Call, Flow, Value, Views

_MAXIMA = frozenset(["maximum", "max", "fmax", "clamp_min", "clamp", "clip"])
_SIGNS = frozenset(["gt", "ge", "lt", "le", "sign", "sgn", "signbit", "heaviside"])
"""Operations that tell which of two values is larger, from both or from their difference."""
_CHOICES = _SIGNS | {"minimum", "min", "fmin", "clamp_max", "where"}
_CHOICES_OF_TRUTHS = frozenset(["logical_or", "logical_and", "bitwise_or", "bitwise_and"])
_SUMS = frozenset(["add", "sub", "rsub", "lerp"])
_STRAIGHT = frozenset(["add", "sub", "rsub", "mul", "div", "neg", "real", "imag"])
"""Operations after which a difference of places is still one."""
_REDUCTIONS = frozenset(["max", "amax", "aminmax"])
_PICKING_REDUCTIONS = frozenset(["min", "amin", "median", "nanmedian", "argmax", "argmin"])
_NORMS = frozenset(["norm", "linalg_vector_norm"])


class Meeting:
    """A sum or difference of places of a map, as the origin of what is computed from it."""

    __slots__ = ("is_bent", "rows")

    def __init__(self, rows: Sequence[Views]) -> None:
        """``rows`` are the views of the places."""
        self.rows = rows
        self.is_bent = False
        """Whether a nonlinear function was applied to the sum: added to one of the places, it may be a maximum."""


def note_unary(call: Call, value: Value) -> None:
    """Record what an elementwise function does to a sum of places."""
    origin = value.flow.origin
    if not isinstance(origin, Meeting):
        return
    if call.op in _SIGNS:
        call.tags.add("picks")
    origin.is_bent = origin.is_bent or call.op not in _STRAIGHT


def note_pointwise(call: Call, data: Sequence[Value], rows: Sequence[Views]) -> None:
    """Tag an elementwise function of several tensors that takes, or may take, the larger of two places."""
    if call.op in _MAXIMA or call.op in _CHOICES or call.op in _CHOICES_OF_TRUTHS:
        chosen, rows = (data[-2:], rows[-2:]) if call.op == "where" else (data, rows)
        found = _relations(chosen, rows)
        if found or any(may_be_shifted(a, b) or _may_be_apart(a, b) for a, b in combinations(chosen, 2)):
            is_maximum = call.op in _MAXIMA and (not call.op.startswith("cl") or _has_lower_bound(call))
            call.tags.add("max_pool" if is_maximum and "same" in found else "picks")
    elif call.op in _SUMS and any(_is_bent_sum_of(a, data[j], rows[j]) for a, j in _pairs(data)):
        call.tags.add("picks")


def _may_be_apart(a: Value, b: Value) -> bool:
    """Whether two parts of one tensor may hold neighbouring places of a map: it has such side by side, or it may."""
    if a.flow.origin is b.flow.origin or relation(a, b) == "different":
        return False
    is_unclear = any(v is not None and (v.blurred or v.unknown) for v in (*a.views, *b.views))
    return is_unclear or is_of_neighbours(a) or is_of_neighbours(b)


def _relations(data: Sequence[Value], rows: Sequence[Views]) -> set[Relation]:
    """How tensors of neighbouring places are related, unless they are results of different layers."""
    several = combinations(zip(data, rows, strict=True), 2)
    found = {relation(a, b) for (a, row), (b, other) in several if are_neighbours(row, other)}
    return found - {"different"}


def _has_lower_bound(call: Call) -> bool:
    return call.op == "clamp_min" or isinstance(call.arg("min", None), Handle)


def _pairs(data: Sequence[Value]) -> list[tuple[Value, int]]:
    return [(data[i], j) for i, j in permutations(range(len(data)), 2)]


def _is_bent_sum_of(value: Value, other: Value, row: Views) -> bool:
    """Whether ``value`` is a nonlinear function of a sum of places, and ``other`` one or a sum of these places."""
    origin, beside = value.flow.origin, other.flow.origin
    if not isinstance(origin, Meeting) or not origin.is_bent:
        return False
    return row in origin.rows or (isinstance(beside, Meeting) and all(r in origin.rows for r in beside.rows))


def met(call: Call, data: Sequence[Value], rows: Sequence[Views], flow: Flow) -> Flow:
    """The flow of joined tensors, which records that neighbouring places of a map were summed."""
    if call.op in _SUMS and _relations(data, rows):
        return flow._replace(origin=Meeting(rows))
    return flow


def note_reduction(call: Call, data: Value, axes: Sequence[int]) -> None:
    """Tag a reduction that takes, or may take, the maximum over places of a map."""
    order = order_of_norm(call)
    is_maximum = call.op in _REDUCTIONS or order == math.inf
    if not (is_maximum or call.op in _PICKING_REDUCTIONS or order == -math.inf):
        return
    found: Relation = "same" if _counts_places(data, axes) else _side_by_side(data, axes)
    if found == "different":
        return
    if not is_maximum or found == "unclear" or any(v is not None and v.is_lost for v in data.views):
        call.tags.add("picks")
    elif not any(v is not None and v.pooled == "max" for v in data.views):  # else it completes one maximum
        call.tags.add("max_pool")


def order_of_norm(call: Call) -> float:
    """The order of a norm; 0 for any other operation."""
    return float(call.arg("ord", call.arg("p", 2))) if call.op in _NORMS else 0.0


def are_places(data: Value, axes: Collection[int]) -> bool:
    """Whether the indices of some axes are, or may be, several places of a map."""
    return _counts_places(data, axes) or _side_by_side(data, axes) != "different"


def _counts_places(data: Value, axes: Collection[int]) -> bool:
    return any(v is not None and (v.is_lost or any(d.axis in axes for d in v.digits)) for v in data.views)


def _side_by_side(data: Value, axes: Collection[int]) -> Relation:
    """How the parts are related that neighbouring indices of some axes hold, if they see neighbouring places."""
    parts = [p for p in data.parts if any(axis in p.region for axis in axes)]
    pairs = [i for i, (a, b) in enumerate(pairwise(parts)) if are_neighbours(a.views, b.views)]
    joined = _put_together(data)
    if not parts and is_of_neighbours(data):  # moved since they were put together
        return "unclear"
    if len(joined) != len(parts):
        return "unclear" if pairs else "different"
    if not pairs:
        return "unclear" if any(may_be_shifted(a, b) for a, b in pairwise(joined)) else "different"
    found = {relation(joined[i], joined[i + 1]) for i in pairs}
    return next(r for r in ("same", "unclear", "different") if r in found)


def _put_together(data: Value) -> Sequence[Value]:
    """The tensors that were concatenated or stacked into one, before functions of that alone; empty where unclear."""
    while (call := data.made_by) is not None and call.op not in ("cat", "stack"):
        sources = [v for v in call.inputs if v.depends]
        if len(sources) != 1:
            return ()
        data = sources[0]
    return [v for v in data.made_by.inputs if v.shape != (0,)] if data.made_by else ()
