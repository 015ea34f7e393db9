"""How many places of a map slices left out, after maps are cut and joined again; no torch."""

from __future__ import annotations

from collections.abc import Sequence

from constraints.tracing.axes import View, Window
from constraints.tracing.taken import Taken, all_of, side_by_side


def cut(before: View, after: View, start: int, step: int = 1) -> View:
    """The view ``after`` of the units of ``before`` from ``start``, ``step`` apart, with the places that it holds."""
    taken = _taken(before)
    if len(before.digits) != 1:
        return lacking(before, after, max(before.units - after.units, 0))
    if before.digits[0].stride < 0:
        taken = taken.turned().cut(start, step, after.units).turned()
    else:
        taken = taken.cut(start, step, after.units)
    return after._replace(taken=None if taken == all_of(after.units) else taken)


def lacking(before: View, after: View, lost: int) -> View:
    """The view ``after`` that lacks ``lost`` more places than ``before``, it is unknown which."""
    if not lost and before.taken is None:
        return after
    return after._replace(taken=_taken(before).without(lost, after.units))


def rolled(before: View | None, after: View | None, by: int) -> View | None:
    """The view ``after`` of the units of ``before`` moved by ``by`` places in a circle, which lacks no more."""
    if before is None or after is None or after is before:
        return after
    if len(before.digits) != 1:
        return lacking(before, after._replace(taken=None), 0)
    taken, n = _taken(before), before.units
    first = by if before.digits[0].stride > 0 else n - by
    ends = [(taken.cut(n - first, 1, first), range(first)), (taken.cut(0, 1, n - first), range(first, n))]
    return after._replace(taken=side_by_side(ends, n))


def made_by(view: View | None, size: int, window: Window) -> View | None:
    """The view of a layer's map, some of whose places its padding made if they are more than its input's ``size``."""
    extra = window.size - size
    if view is None or len(view.digits) != 1 or window.stride != 1 or window.padding <= 0 or extra <= 0:
        return view
    return view._replace(taken=all_of(window.size, window.padding, extra))


def remade(view: View | None) -> View | None:
    """The view of a map that a layer made, of which nothing is left out yet; a border stays one if the view has it."""
    taken = view.taken if view is not None else None
    if view is None or taken is None or (taken.left_out <= 0 and taken.has_border):
        return view
    return view._replace(taken=None)


def in_join(a: View, b: View) -> Taken | None:
    """The places that a join of two tensors holds; None where each unit is one of them."""
    one, other = (a.taken, b.taken) if a.digits == b.digits else (_upright(a), _upright(b))
    if (one or other) is None and _is_turned(a) != _is_turned(b):
        return _taken(a).joined(_taken(b).turned())
    known = one or other
    if known is None:
        return None
    found = (one or all_of(known.units)).joined(other or all_of(known.units))
    return None if found == all_of(found.units) else found


def together(parts: Sequence[tuple[View, range]], whole: View) -> View:
    """The view of tensors side by side along an axis that counts the places of a map, or selected ones stacked.

    Each part has the indices that it was written to.
    """
    if all(v.taken is None for v, _ in parts):
        return whole
    taken = side_by_side([(_upright(v) or all_of(v.units), laid) for v, laid in parts], whole.units)
    taken = taken.turned() if _is_turned(whole) else taken
    return whole._replace(taken=None if taken == all_of(whole.units) else taken)


def _taken(view: View) -> Taken:
    """The places that the units of a view hold."""
    if view.taken is None:
        return all_of(view.units)
    return view.taken if view.taken.units == view.units else view.taken.without(0, view.units)


def _is_turned(view: View) -> bool:
    return len(view.digits) == 1 and view.digits[0].stride < 0


def _upright(view: View) -> Taken | None:
    """The places in the order of the tensor's own axis."""
    if view.taken is None or all(d.stride >= 0 for d in view.digits):
        return view.taken and _taken(view)
    return _taken(view).turned() if len(view.digits) == 1 else _taken(view).without(0, view.units)
