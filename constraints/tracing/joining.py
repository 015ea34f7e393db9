"""Views after elements are combined: joins, reductions, tables of pairs, elements of unknown place; no torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec

from constraints.receptive_field import Field, explicit
from constraints.tracing.axes import Digit, View, are_aligned, covers, normal, unknown
from constraints.tracing.left_out import in_join

_Arguments = ParamSpec("_Arguments")
MIXED = "along an axis each place sees all others, with its own weights"


def of_each_place(
    step: Callable[Concatenate[View | None, _Arguments], View | None],
) -> Callable[Concatenate[View | None, _Arguments], View | None]:
    """Decorator: apply a step on views to both places of a table of pairs."""

    @wraps(step)
    def followed(view: View | None, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> View | None:
        if view is None or view.other is None:
            return step(view, *args, **kwargs)
        return paired(step(view._replace(other=None), *args, **kwargs), step(view.other, *args, **kwargs))

    return followed


def paired(a: View | None, b: View | None) -> View | None:
    """A table of pairs whose elements see one place of ``a`` and one of ``b``; an ordinary map if both are aligned.

    If one of them was reduced to the whole map, the result is the other one, which sees that map as an attention does.
    """
    if a is None or b is None or a.unknown or b.unknown:
        return b if a is None or (b is not None and b.unknown) else a
    gone = [v.swept or bool(v.pooled and not v.digits) for v in (a, b)]
    if any(gone):
        return b if gone == [True, False] else a
    if are_aligned(a, b):
        return joined(a, b)
    return a._replace(other=b)


def blurred(view: View, axes: Collection[int], why: str) -> View:
    """The view if each element may belong to any place along some tensor axes: an upper bound."""
    if view.other is not None:
        places = [blurred(v, axes, why) for v in (view._replace(other=None), view.other)]
        return paired(*places) or view
    gone = [d for d in view.digits if d.axis in axes]
    return blurred_along(view, gone, [d for d in view.digits if d not in gone], why) if gone else view


def blurred_along(view: View, gone: Iterable[Digit], kept: Sequence[Digit], why: str) -> View:
    """As ``blurred``, for the digits ``gone``; the digits ``kept`` remain."""
    field = view.field
    for d in gone:
        field = field.window(d.size, d.stride)
    return normal(view._replace(field=field, digits=tuple(kept), blurred=view.blurred or why))


@of_each_place
def reduced(view: View | None, axes: Collection[int], how: str = "other") -> View | None:
    """The view after a reduction over some tensor axes."""
    if view is None or not [d for d in view.digits if d.axis in axes]:
        return view
    gone = set(axes)
    field, kept = view.field, tuple(d for d in view.digits if d.axis not in gone)
    for d in view.digits:
        if d.axis in gone:
            field = field.window(d.size, d.stride)
    how = "other" if view.left_out > 0 and how != "mixed" else how  # a part of the map is no global pooling
    pooled = "" if kept else how if view.pooled in ("", how) else "other"
    swept = bool(kept) and (view.swept or (how != "mixed" and covers(set(view.digits) - set(kept), kept)))
    taken = view.taken if swept or not kept else None  # patches that are pooled are the places of a new map
    return normal(view._replace(field=field, digits=kept, pooled=pooled, swept=swept, taken=taken))


def joined(a: View | None, b: View | None) -> View | None:
    """The hull of what two aligned tensors of one shape see."""
    if a is None or b is None or a is b:
        return a if b is None else b
    if {a.pooled, b.pooled} == {"", "mixed"} and bool(a.digits) != bool(b.digits) and not (a.unknown or b.unknown):
        a = unknown(MIXED, a)
    if a.unknown or b.unknown:
        return _lost(a, b) if a.unknown else _lost(b, a)
    if a.other or b.other:
        return _joined_tables(a, b)
    if a.blurred or b.blurred:
        return _joined_blurred(a, b)
    pooled = a.pooled if a.pooled == b.pooled else "other" if a.pooled and b.pooled else ""
    if a.digits == b.digits:
        field = a.field.hull(b.field)
        if field is not None:
            swept, is_part = a.swept and b.swept, not a.digits and _are_part(a, b)
            taken = in_join(a, b) if a.taken or b.taken else None
            return View(field, a.digits, pooled, "", a.extent, swept, "", None, is_part, taken)
    return _joined_unit_by_unit(a, b, pooled)


def _are_part(a: View, b: View) -> bool:
    return a.is_part or b.is_part or bool(a.pooled) != bool(b.pooled)


def _joined_tables(a: View, b: View) -> View | None:
    """The join of two tables of the same pairs, or of a table and a map of one of its two places."""
    places: list[View | None] = [a._replace(other=None), a.other]
    for place in (b._replace(other=None), b.other):
        if place is None:
            continue
        at = next((i for i, p in enumerate(places) if p is None or are_aligned(p, place)), None)
        if at is None:
            return unknown("a join of tables of different pairs of places")
        places[at] = joined(places[at], place)
    return paired(*places)


def _joined_blurred(a: View, b: View) -> View | None:
    """A join with a blurred view: exact if the exact one of both already sees everything that the other may see."""
    view = joined(*(v._replace(blurred="", pooled=v.pooled or ("" if v.digits else "other")) for v in (a, b)))
    exact = next((v for v in (a, b) if not v.blurred), None)
    if view is None or view.unknown or (exact is not None and _sees_as(view, exact)):
        return view
    return view._replace(blurred=a.blurred or b.blurred)


def _sees_as(view: View, exact: View) -> bool:
    if view.digits == exact.digits:
        return view.field == exact.field
    digits = _common(view.digits, exact.digits)
    places = itertools.product(*(range(d.size) for d in digits or ()))
    return digits is not None and all(_seen(view, digits, at) == _seen(exact, digits, at) for at in places)


def _lost(a: View, b: View) -> View:
    """The join with a view ``a`` of unknown field; its digits are known if both have the same, or one has none."""
    if a.digits == b.digits:
        return a._replace(taken=in_join(a, b)) if a.taken or b.taken else a
    if a.digits and not b.digits and not b.is_lost:
        return a
    if b.digits and not a.is_lost and not a.digits:
        return unknown(a.unknown, b)
    return unknown(a.unknown)


def _joined_unit_by_unit(a: View, b: View, pooled: str) -> View:
    """The hull of views with different fields or digits, computed for every unit of the map."""
    if not a.digits and not b.digits:
        (low_a, high_a), (low_b, high_b) = a.field.at(0), b.field.at(0)
        hull = Field(0, (min(low_a, low_b),), (max(high_a, high_b),))
        return View(hull, (), pooled, extent=a.extent, is_part=_are_part(a, b))
    if not (a.digits and b.digits) and not (a.pooled or b.pooled) and max(a.units, b.units) > 1:
        return unknown("one place of a map joined with all places of it", a if a.digits else b)
    if any(v.pooled and not v.digits and v.left_out > 0 for v in (a, b)) and (a.digits or b.digits):
        return unknown("a pool of a part of a map joined with all places of it", a if a.digits else b)
    digits = _common(a.digits, b.digits) if not (a.digits and b.digits) or are_aligned(a, b) else None
    if digits is None:
        return unknown("a join of maps whose spatial axes are laid out differently")
    intervals = []
    for index in itertools.product(*(range(d.size) for d in digits)):
        (low_a, high_a), (low_b, high_b) = _seen(a, digits, index), _seen(b, digits, index)
        intervals.append((min(low_a, low_b), max(high_a, high_b)))
    strides = [math.prod(d.size for d in digits[i + 1 :]) for i in range(len(digits))]
    laid = tuple(d._replace(stride=s) for d, s in zip(digits, strides, strict=True))
    taken = in_join(a, b)
    return normal(View(explicit(intervals), laid, extent=a.extent, taken=taken))


def _common(a: Sequence[Digit], b: Sequence[Digit]) -> list[Digit] | None:
    """The digits of both, those with the longest reach first; None where two overlap and are not equal.

    So the index within a window comes after the index of windows, also of dilated ones, and counts in smaller steps.
    """
    places = {(d.axis, d.inner, d.size, d.offset): d for d in (*b, *a)}
    digits = sorted(places.values(), key=lambda d: (-abs(d.stride) * d.size, -abs(d.stride)))
    for x, y in itertools.combinations(digits, 2):
        if x.axis == y.axis and (x.inner < y.inner * y.size and y.inner < x.inner * x.size):
            return None
    return digits


def _seen(view: View, digits: Sequence[Digit], index: Sequence[int]) -> tuple[float, float]:
    strides = {d[:3]: d.stride for d in view.digits}
    return view.field.at(sum(i * strides.get(d[:3], 0) for d, i in zip(digits, index, strict=True)))
