"""Whether tensors hold neighbouring places of a map, as slices and shifted copies of it do; no torch."""

from __future__ import annotations

from constraints.tracing.axes import Digit, View
from constraints.tracing.values import Views


def are_neighbours(first: Views, second: Views) -> bool:
    """Whether two tensors have fields of the same size one jump apart: units of one map, sliced, rolled or mirrored."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if any(_places(a) != _places(b) or a.field.size != b.field.size or a.jump != b.jump for a, b in pairs):
        return False
    return any(
        (a.is_live or _are_picked(a, b)) and (a.field.lo != b.field.lo or a.digits != b.digits) for a, b in pairs
    )


def _places(view: View) -> list[Digit]:
    """The digits of a view, in whichever direction they count."""
    return [d if d.stride > 0 else d._replace(stride=-d.stride) for d in view.digits]


def _are_picked(a: View, b: View) -> bool:
    """Whether both are single places of a map."""
    return not any(v.digits or v.pooled or v.unknown or v.blurred for v in (a, b))
