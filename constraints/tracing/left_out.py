"""How many places of a map slices left out, after maps are cut and joined again; no torch."""

from __future__ import annotations

import math

from constraints.tracing.axes import View


def cut(before: View, after: View) -> View:
    """The view ``after`` of a slice, a selection or a padding, with the places that it leaves out of ``before``."""
    left_out = before.left_out + before.units - after.units
    return after if after.left_out == left_out else after._replace(left_out=left_out)


def remade(view: View | None) -> View | None:
    """The view of a map that a layer made, of which nothing is left out yet; a border stays one if the view has it."""
    return view._replace(left_out=0) if view is not None and view.left_out > 0 else view


def in_join(a: View, b: View) -> int:
    """The places that a join of two tensors leaves out: none if one of them is whole, or both together are."""
    if a.left_out <= 0 or b.left_out <= 0 or a.field == b.field or not (a.digits and b.digits):
        return min(a.left_out, b.left_out)
    steps = (b.start - a.start) / a.jump
    in_both = min(a.units, b.units) - abs(steps) if math.isfinite(steps) and steps == int(steps) else 0
    return max(a.left_out - b.units + max(int(in_both), 0), 0)


def together(parts: list[View], whole: View) -> View:
    """The view of tensors side by side along an axis that counts the places of a map, or selected ones stacked."""
    if not any(v.left_out for v in parts):
        return whole
    left_out = max(v.units + v.left_out for v in parts) - whole.units
    return whole._replace(left_out=left_out)
