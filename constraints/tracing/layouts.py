"""Views of a tensor whose axes are rearranged: permuted, removed, reshaped; no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from constraints.tracing.axes import Digit, Shape, View, normal, without_idle
from constraints.tracing.joining import blurred_along, of_each_place
from constraints.tracing.sliding import plain


@of_each_place
def moved(view: View | None, axes: Sequence[int | None]) -> View | None:
    """The view after a permutation: old axis ``a`` becomes ``axes[a]``; None: it is removed (it has one index)."""
    if view is None or not view.digits:
        return view
    digits = [d._replace(axis=to) for d in view.digits if (to := axes[d.axis]) is not None]
    return view._replace(digits=tuple(digits))


def without(gone: Iterable[int], n: int) -> list[int | None]:
    """The new number of each of ``n`` axes after some are removed, for ``moved``."""
    left = set(range(n)) - set(gone)
    return [sum(b < a for b in left) if a in left else None for a in range(n)]


@of_each_place
def reshaped(view: View | None, old: Shape, new: Shape) -> View | None:
    """The view after a reshape of contiguous elements from shape ``old`` to ``new``."""
    if view is None or not view.digits or old == new:
        return view
    old_steps, new_steps = _steps(old), _steps(new)
    parts = {d: _placed(d, old, old_steps, new, new_steps) for d in view.digits}
    digits = [part for placed in parts.values() for part in placed or ()]
    cut = [d for d, placed in parts.items() if placed is None]
    if cut and len(view.digits) == 1 and cut[0].inner > 1:
        return reshaped(plain(view, cut[0].axis, old), old, new)  # as one digit, which any reshape keeps
    if cut:
        return blurred_along(view, cut, digits, "a reshape that cuts across a spatial axis")
    return without_idle(normal(view._replace(digits=tuple(digits))))


def settled(views: Sequence[View | None], shape: Shape) -> tuple[View | None, ...]:
    """The views after axes of size 1 were added: a map of one unit is assigned a tensor axis again.

    That is the axis after the previous spatial axis, or before the next one; where both are unknown, the free axes are
    assigned in order, if their numbers match. The first axis is the batch axis.
    """
    taken = {axis for v in views if v is not None for axis in v.axes}
    free = [a for a, n in enumerate(shape) if n == 1 and a and a not in taken]
    lost = [i for i, v in enumerate(views) if v is not None and not (v.digits or v.pooled or v.unknown or v.blurred)]
    found = list(views)
    for i in lost:
        beside = [_axis_of(found, i - 1, 1), _axis_of(found, i + 1, -1)]
        axis = next((a for a in beside if a in free), None)
        if axis is None and len(lost) == len(free) and not any(beside):
            axis = free[lost.index(i)]
        view = found[i]
        if axis is not None and view is not None:
            found[i] = view._replace(digits=(Digit(axis, 1, 1, 1),), is_part=False)
    return tuple(found)


def _axis_of(views: Sequence[View | None], at: int, step: int) -> int | None:
    """The tensor axis ``step`` after that of the spatial axis ``at``; None where that is unknown."""
    view = views[at] if 0 <= at < len(views) else None
    return view.digits[0].axis + step if view is not None and len(view.digits) == 1 else None


def _steps(shape: Shape) -> list[int]:
    """Elements between neighbouring indices of each axis."""
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def _placed(
    digit: Digit, old: Shape, old_steps: Sequence[int], new: Shape, new_steps: Sequence[int]
) -> list[Digit] | None:
    """The digits on the new axes that one digit of an old axis becomes; None where the reshape splits it unevenly."""
    if digit.size == 1:
        same = [a for a in range(len(new)) if new[a] == 1 and old[: digit.axis] == new[:a]]
        return [digit._replace(axis=same[0])] if same and old[digit.axis] == 1 else []
    if not digit.fills(old):
        place = (old[digit.axis], old_steps[digit.axis])
        same = [a for a in range(len(new)) if (new[a], new_steps[a]) == place]
        return [digit._replace(axis=same[0])] if same else None
    step, size, stride, parts = digit.inner * old_steps[digit.axis], digit.size, digit.stride, []
    for axis in reversed(range(len(new))):
        span = new[axis] * new_steps[axis]
        if size == 1 or new[axis] == 1 or not new_steps[axis] <= step < span:
            continue
        taken = min(size, span // step)
        if step % new_steps[axis] or span % (step * taken) or size % taken:
            return None
        parts.append(Digit(axis, step // new_steps[axis], taken, stride))
        step, size, stride = step * taken, size // taken, stride * taken
    return parts if size == 1 else None
