"""Which axes of a tensor carry a spatial axis of the input, and what units see along it; pure, no torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import wraps
from typing import Concatenate, NamedTuple, ParamSpec

from constraints.receptive_field import Field, adaptive, explicit

Shape = tuple[int, ...]
_Arguments = ParamSpec("_Arguments")
_MOST_UNITS = 4096


class Digit(NamedTuple):
    """A part of a tensor axis that counts along a spatial axis, as a digit counts in a number.

    At index ``x`` of tensor axis ``axis`` the digit is ``(x - offset) // inner % size``, and it moves the position
    in the field by ``stride`` units. One plain spatial axis is one digit; patches and windows split it into two.
    """

    axis: int
    inner: int
    size: int
    stride: int
    offset: int = 0

    def fills(self, shape: Shape) -> bool:
        """Whether the axis holds whole turns of the digit and nothing else, such as a border."""
        return not self.offset and shape[self.axis] % (self.inner * self.size) == 0


class Window(NamedTuple):
    """A window that slides along one tensor axis, and how many places it has."""

    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    padding: int = 0
    size: int = 1

    @property
    def changes_nothing(self) -> bool:
        """Whether every result is the element at its own place."""
        return self.kernel == self.stride == 1 and self.padding == 0

    def reaches_beyond(self, size: int) -> bool:
        """Whether some place of the window holds more than the ``size`` elements of its axis."""
        last = (self.size - 1) * self.stride + (self.kernel - 1) * self.dilation - self.padding
        return self.padding > 0 or last >= size

    def taps(self, place: int, size: int) -> list[int]:
        """The elements of an axis of ``size`` in the window at one place."""
        first = place * self.stride - self.padding
        return [t for t in range(first, first + self.kernel * self.dilation, self.dilation) if 0 <= t < size]


class Cut(NamedTuple):
    """A part of one tensor axis: ``size`` indices from ``start``, ``step`` apart."""

    axis: int
    start: int
    step: int
    size: int
    is_select: bool = False
    """Whether the axis is gone afterwards."""

    def share(self, shape: Shape, views: Sequence[View | None]) -> float:
        """How much of the whole the part is, along an axis that is spatial; 1 where it is not."""
        spatial = any(v is not None and any(d.axis == self.axis for d in v.digits) for v in views)
        return self.size / shape[self.axis] if spatial and not self.is_select else 1.0


class View(NamedTuple):
    """How one tensor depends on one spatial axis of an input.

    Its element sees ``field.at(sum of digit * stride)``. Without digits every element sees the same, ``field.at(0)``.
    """

    field: Field
    digits: tuple[Digit, ...]
    pooled: str = ""
    """How the axis was reduced as a whole: "mean", "sum", "max", "other", "mixed" (each unit by its own weights) or
    "attended" (by weights that the input makes)."""
    unknown: str = ""
    """Why it cannot be known what an element sees; digits that are left still say which axes carry the map."""
    extent: int = 0
    """Pixels of the input along the axis."""
    swept: bool = False
    """Whether the coarsest digits were brought together: each place within a patch, say, sees all patches."""
    blurred: str = ""
    """Why elements may see less than this: it is not known which place of those that were blurred each stands for."""
    other: View | None = None
    """What else an element sees, in a table of pairs of places: what queries see is one, what keys see the other."""
    is_part: bool = False
    """Whether elements that stand for no place of their own do not see as all of the map: one place was picked, or
    some of them see the whole map."""

    @property
    def is_live(self) -> bool:
        """Whether the tensor is still a map along this spatial axis."""
        return bool(self.digits) and not self.unknown

    @property
    def is_local(self) -> bool:
        """Whether its elements stand for places of a map, which a value of the whole map may scale."""
        return bool(self.digits) and not self.unknown and not self.swept

    @property
    def is_unit(self) -> bool:
        """Whether the map has one unit along this spatial axis, whose tensor axis is gone."""
        return not (self.digits or self.pooled or self.unknown or self.blurred or self.is_part or self.other)

    @property
    def is_whole(self) -> bool:
        """Whether each element sees the whole map, evenly or as the input itself weighs it."""
        return self.swept or (not (self.digits or self.unknown) and self.pooled not in ("", "mixed"))

    @property
    def is_lost(self) -> bool:
        """Whether not even the axes that carry it are known."""
        return bool(self.unknown) and not self.digits and not self.pooled

    @property
    def axes(self) -> set[int]:
        """The tensor axes that count along this spatial axis."""
        return {d.axis for d in (*self.digits, *(self.other.digits if self.other else ()))}

    @property
    def jump(self) -> float:
        """Input pixels between neighbouring units."""
        step = min((abs(d.stride) for d in self.digits), default=1)
        return step * self.field.jump / self.field.period

    @property
    def start(self) -> float:
        """The first input pixel that the first unit sees; infinite where it sees none."""
        if not any(d.offset for d in self.digits):
            return self.field.lo[0]
        return self.field.at(sum(-d.offset // d.inner % d.size * d.stride for d in self.digits))[0]

    @property
    def size(self) -> int:
        """Pixels that the largest interior unit sees.

        Every unit of a rhythm counts, as on an unbounded axis. A map that does not repeat its rhythm (an uneven
        resampling, say) or has none (a join of maps of different pace) has no other units than its own: those whose
        field keeps clear of the first and the last pixel that the map sees count, and all where there is none.
        """
        period = len(self.field.lo)
        if period == 1 or 2 * period <= self.units:
            return self.field.size
        seen = [self.field.at(sum(at)) for at in itertools.product(*(_positions(d) for d in self.digits))]
        first, last = max(min(a for a, _ in seen), 0), min(max(b for _, b in seen), self.extent - 1)
        return max((int(b - a + 1) for a, b in seen if first < a <= b < last), default=self.field.size)

    @property
    def units(self) -> int:
        """Units of the map along this spatial axis."""
        return math.prod(d.size for d in self.digits)


def of_each_place(
    step: Callable[Concatenate[View | None, _Arguments], View | None],
) -> Callable[Concatenate[View | None, _Arguments], View | None]:
    """A step on views that follows a table of pairs along both of its places."""

    @wraps(step)
    def followed(view: View | None, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> View | None:
        if view is None or view.other is None:
            return step(view, *args, **kwargs)
        return paired(step(view._replace(other=None), *args, **kwargs), step(view.other, *args, **kwargs))

    return followed


def paired(a: View | None, b: View | None) -> View | None:
    """A table whose elements see one place of ``a`` and one of ``b``; where both are the same, a map again.

    Where one of them has become the whole map, what is left sees that by an attention, and is the other.
    """
    if a is None or b is None or a.unknown or b.unknown:
        return b if a is None or (b is not None and b.unknown) else a
    gone = [v.swept or bool(v.pooled and not v.digits) for v in (a, b)]
    if any(gone):
        return b if gone == [True, False] else a
    if are_aligned(a, b):
        return joined(a, b)
    return a._replace(other=b)


def are_aligned(a: View, b: View) -> bool:
    """Whether the digits of one are among those of the other."""
    left, right = {d[:3] for d in a.digits}, {d[:3] for d in b.digits}
    return left <= right or right <= left


def covers(gone: Collection[Digit], kept: Collection[Digit]) -> bool:
    """Whether digits run over the whole map: none that stays counts in larger steps, as windows do."""
    reach = max((abs(d.stride) * d.size for d in gone), default=0)
    return bool(gone) and all(abs(d.stride) * d.size < reach for d in kept)


def _positions(digit: Digit) -> range:
    return range(0, digit.size * digit.stride, digit.stride) if digit.stride else range(1)


def unknown(why: str, view: View | None = None) -> View:
    """A dependence that cannot be known, laid out as ``view`` is where that can."""
    return View(Field(), view.digits if view else (), view.pooled if view else "", why, view.extent if view else 0)


def blurred(view: View, axes: Collection[int], why: str) -> View:
    """Elements that may each stand for any place along some tensor axes."""
    if view.other is not None:
        places = [blurred(v, axes, why) for v in (view._replace(other=None), view.other)]
        return paired(*places) or view
    gone = [d for d in view.digits if d.axis in axes]
    return _blurred(view, gone, [d for d in view.digits if d not in gone], why) if gone else view


def _blurred(view: View, gone: Iterable[Digit], kept: Sequence[Digit], why: str) -> View:
    field = view.field
    for d in gone:
        field = field.window(d.size, d.stride)
    return normal(view._replace(field=field, digits=tuple(kept), blurred=view.blurred or why))


@of_each_place
def moved(view: View | None, axes: Sequence[int | None]) -> View | None:
    """After a permutation: old axis ``a`` is ``axes[a]`` now, or gone (an axis of one index) where that is None."""
    if view is None or not view.digits:
        return view
    digits = [d._replace(axis=to) for d in view.digits if (to := axes[d.axis]) is not None]
    return view._replace(digits=tuple(digits))


def without(gone: Iterable[int], n: int) -> list[int | None]:
    """The new place of each of ``n`` axes after some are removed, for ``moved``."""
    left = set(range(n)) - set(gone)
    return [sum(b < a for b in left) if a in left else None for a in range(n)]


@of_each_place
def reduced(view: View | None, axes: Collection[int], how: str = "other") -> View | None:
    """After all indices of some tensor axes were brought together."""
    if view is None or not [d for d in view.digits if d.axis in axes]:
        return view
    gone = set(axes)
    field, kept = view.field, tuple(d for d in view.digits if d.axis not in gone)
    for d in view.digits:
        if d.axis in gone:
            field = field.window(d.size, d.stride)
    pooled = "" if kept else how if view.pooled in ("", how) else "other"
    swept = bool(kept) and (view.swept or (how != "mixed" and covers(set(view.digits) - set(kept), kept)))
    return normal(view._replace(field=field, digits=kept, pooled=pooled, swept=swept))


@of_each_place
def windowed(view: View | None, axis: int, shape: Shape, window: Window) -> View | None:
    """After a convolution or pooling along a tensor axis of a tensor of shape ``shape``."""
    if view is None or (window.changes_nothing and window.size == shape[axis]):
        return view
    if len(view.digits) == 1 and view.digits[0].axis != axis:
        return view
    if view.digits == ((axis, 1, shape[axis], 1, 0),) and not view.swept:  # the plain case, which is nearly every one
        field = view.field.window(window.kernel, window.dilation, -window.padding).every(window.stride)
        return View(
            field, (Digit(axis, 1, window.size, 1),), view.pooled, view.unknown, view.extent, False, view.blurred
        )
    view = plain(view, axis, shape)
    at = next((i for i, d in enumerate(view.digits) if d.axis == axis), None) if view else None
    if view is None or at is None:
        return view
    if len(view.digits) > 1 and window.reaches_beyond(view.digits[at].size) and _is_in_patches(view, at):
        return _windowed_in_patches(view, at, window)
    digits = list(view.digits)
    step = digits[at].stride
    digits[at] = digits[at]._replace(stride=step * window.stride, size=window.size)
    field = view.field.window(window.kernel, window.dilation * step, -window.padding * step)
    return normal(view._replace(field=field, digits=tuple(digits)))


def _is_in_patches(view: View, at: int) -> bool:
    """Whether a digit counts inside patches, which others of larger steps count."""
    return any(abs(d.stride) > abs(view.digits[at].stride) for d in view.digits)


def _windowed_in_patches(view: View, at: int, window: Window) -> View:
    """After a window that slides inside patches: beyond a patch's border is padding, and not the next patch."""
    d = view.digits[at]
    outer = [o for o in view.digits if abs(o.stride) > abs(d.stride)]
    finer = [o for o in view.digits if o not in outer and o is not d]
    digits = list(view.digits)
    digits[at] = d._replace(size=window.size)
    if min(o.stride for o in view.digits) < 1 or sum((o.size - 1) * o.stride for o in finer) >= d.stride:
        why = view.unknown or "a window inside patches whose places overlap or are turned round"
        return unknown(why, view._replace(digits=tuple(digits)))
    apart, block = math.gcd(*(o.stride for o in outer)), window.size * d.stride

    def taps(unit: int) -> list[int]:
        patch, rest = divmod(unit, block)
        place, fine = divmod(rest, d.stride)
        return [patch * apart + t * d.stride + fine for t in window.taps(place, d.size)]

    digits = [o._replace(stride=o.stride // apart * block) if o in outer else o for o in digits]
    field = view.field.resample(taps, outputs=block, inputs=apart)
    return normal(view._replace(field=field, digits=tuple(digits)))


@of_each_place
def shifted(view: View | None, axis: int, shape: Shape, by: int, size: int) -> View | None:
    """After a tensor axis was padded by ``by`` indices in front (cropped where negative) to ``size`` in all."""
    on = [d for d in view.digits if d.axis == axis] if view else []
    if view is None or not on or (len(on) == 1 and _is_plain(on[0], shape)):
        return windowed(view, axis, shape, Window(padding=by, size=size))
    if by >= 0 and size >= by + shape[axis]:  # a border beside places that several digits count
        return view._replace(digits=tuple(d._replace(offset=d.offset + by) if d in on else d for d in view.digits))
    if by <= 0 and size - by <= shape[axis]:
        return sliced(view, shape, Cut(axis, -by, 1, size))
    return windowed(view, axis, shape, Window(padding=by, size=size))


@of_each_place
def sliced(view: View | None, shape: Shape, cut: Cut) -> View | None:
    """After taking a part of a tensor axis."""
    axis, start, step, size = cut[:4]
    if view is None or (step == 1 and start == 0 and size == shape[axis]):
        return view
    digits = [d for d in view.digits if d.axis == axis]
    if not digits:
        return view
    if len(digits) == 1 and _is_plain(digits[0], shape):
        part = windowed(view, axis, shape, Window(stride=step, padding=-start, size=size))
        return part and _without_idle(part)
    if step == 1 and all(_on_block(d, shape[axis], start, size) for d in digits):
        return view._replace(digits=tuple(_reoffset(d, start) if d.axis == axis else d for d in view.digits))
    if all(start + size <= d.offset for d in digits):  # the border alone, where a class token is, say
        return reduced(view, [axis])
    return blurred(view, [axis], "a slice that cuts across a spatial axis")


@of_each_place
def written(view: View | None, cut: Cut, shape: Shape) -> View | None:
    """What the whole of shape ``shape`` sees after a part of it was overwritten: the inverse of ``sliced``."""
    if view is None or not view.digits:
        return view
    if cut.is_select:
        n = len(shape)
        view = moved(view, [a + (a >= cut.axis) for a in range(n - 1)])
        return view
    if not any(d.axis == cut.axis for d in (view.digits if view else ())):
        return view
    if cut.step != 1:
        return unknown("a strided write along a spatial axis")
    part = (*shape[: cut.axis], cut.size, *shape[cut.axis + 1 :])
    return shifted(view, cut.axis, part, cut.start, shape[cut.axis])


@of_each_place
def selected(view: View | None, axis: int, index: int) -> View | None:
    """After picking one index of a tensor axis (which stays, of size 1)."""
    if view is None or not view.digits:
        return view
    field, kept, pooled, is_part = view.field, [], view.pooled, view.is_part
    for d in view.digits:
        is_part = is_part or (d.axis == axis and d.size > 1)
        if d.axis != axis:
            kept.append(d)
        elif 0 <= (index - d.offset) // d.inner < d.size or d.offset == 0:
            field = field.window(1, 1, (index - d.offset) // d.inner % d.size * d.stride)
        else:  # in the border, where a class token is, say
            field, pooled = field.window(d.size, d.stride), "other"
    is_part = is_part and not kept
    return normal(view._replace(field=field, digits=tuple(kept), pooled="" if kept else pooled, is_part=is_part))


@of_each_place
def reshaped(view: View | None, old: Shape, new: Shape) -> View | None:
    """After a reshape of contiguous elements from shape ``old`` to ``new``."""
    if view is None or not view.digits or old == new:
        return view
    old_steps, new_steps = _steps(old), _steps(new)
    parts = {d: _placed(d, old, old_steps, new, new_steps) for d in view.digits}
    digits = [part for placed in parts.values() for part in placed or ()]
    cut = [d for d, placed in parts.items() if placed is None]
    if cut and len(view.digits) == 1 and cut[0].inner > 1:
        return reshaped(plain(view, cut[0].axis, old), old, new)  # unit by unit, which any cut leaves in their order
    if cut:
        return _blurred(view, cut, digits, "a reshape that cuts across a spatial axis")
    return _without_idle(normal(view._replace(digits=tuple(digits))))


def settled(views: Sequence[View | None], shape: Shape) -> tuple[View | None, ...]:
    """The views of a tensor that axes of one index were added to: those of a map of one unit count along one again.

    That is the axis behind the one of the spatial axis before, or before the one behind; where neither is known to
    count along any, the axes in their order, as far as there are as many of both. The first axis is the batch's.
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
    """The axis a step from the one that a spatial axis counts along."""
    view = views[at] if 0 <= at < len(views) else None
    return view.digits[0].axis + step if view is not None and len(view.digits) == 1 else None


@of_each_place
def plain(view: View | None, axis: int, shape: Shape) -> View | None:
    """The same view with at most one digit on a tensor axis, which then counts the axis index by index."""
    if view is None or not view.digits:
        return view
    on_axis = [d for d in view.digits if d.axis == axis]
    if not on_axis or (len(on_axis) == 1 and _is_plain(on_axis[0], shape)):
        return view
    d = on_axis[0]
    if len(view.digits) == 1 and d.stride > 0 and shape[axis] < 2 * d.inner * d.size:
        field = view.field.every(d.stride).resample(lambda i: [i // d.inner], outputs=d.inner, inputs=1)
        field = field.window(1, 1, -d.offset)
        return view._replace(field=field, digits=(Digit(axis, 1, shape[axis], 1),))
    return blurred(view, [axis], "a window over an axis that carries parts of several axes")


@of_each_place
def resampled_axis(view: View | None, axis: int, shape: Shape) -> View | None:
    """The view made ready for a resampling along a tensor axis: one digit, of stride 1."""
    view = plain(view, axis, shape)
    if view is None or not any(d.axis == axis for d in view.digits):
        return view
    if len(view.digits) > 1 or view.digits[0].stride < 1:
        return unknown(view.unknown or "a resampling of an axis that is split over several tensor axes")
    return normal(view)


@of_each_place
def adaptive_pooled(view: View | None, axis: int, shape: Shape, output: int) -> View | None:
    """After an adaptive pooling of a tensor axis to ``output`` units."""
    view = resampled_axis(view, axis, shape)
    if view is None or not any(d.axis == axis for d in view.digits):
        return view
    return view._replace(field=adaptive(view.field, shape[axis], output), digits=(Digit(axis, 1, output, 1),))


def joined(a: View | None, b: View | None) -> View | None:
    """The hull of what two aligned tensors of one shape see."""
    if a is None or b is None or a is b:
        return a if b is None else b
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
            return View(field, a.digits, pooled, extent=a.extent, swept=swept, is_part=is_part)
    return _joined_unit_by_unit(a, b, pooled)


def _are_part(a: View, b: View) -> bool:
    return a.is_part or b.is_part or bool(a.pooled) != bool(b.pooled)


def _joined_tables(a: View, b: View) -> View | None:
    """Tables of the same pairs, or one with a map of one of its two places."""
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
    """Exact again where the exact one of both already sees all that the other may see."""
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
    """The join with a view whose field is unknown; its layout is known where both have the same, or one has none."""
    if a.digits == b.digits or (a.digits and not b.digits and not b.is_lost):
        return a
    if b.digits and not a.is_lost and not a.digits:
        return unknown(a.unknown, b)
    return unknown(a.unknown)


def normal(view: View) -> View:
    """The same view with strides that share no factor and neighbouring digits of one axis made one."""
    digits = _merged(view.digits)
    factor = math.gcd(*(d.stride for d in digits)) if digits else 1
    if factor > 1:
        digits = tuple(d._replace(stride=d.stride // factor) for d in digits)
        return view._replace(field=view.field.every(factor), digits=digits)
    return view if digits == view.digits else view._replace(digits=digits)


def _without_idle(view: View) -> View:
    """Without digits that change nothing, as those that count the columns of a map's rows."""
    several = [d for d in view.digits if d.size > 1]
    if view.field.period == 1 or len(several) < 2 or not 0 < view.units <= _MOST_UNITS:
        return view
    at = {index: view.field.at(sum(index)) for index in itertools.product(*map(_positions, several))}
    for i, digit in reversed(list(enumerate(several))):
        if all(at[index] == at[(*index[:i], 0, *index[i + 1 :])] for index in at):
            return _without_idle(normal(view._replace(digits=tuple(d for d in view.digits if d is not digit))))
    return view


def _merged(digits: tuple[Digit, ...]) -> tuple[Digit, ...]:
    if len(digits) < 2:
        return digits
    several = [d for d in digits if d.size > 1] or list(digits[:1])
    merged: list[Digit] = []
    for d in sorted(several, key=lambda d: (d.axis, -d.inner)):
        last = merged[-1] if merged else None
        if last and last.axis == d.axis and last.offset == d.offset:
            span = d.size
            if last.inner == d.inner * span and last.stride == d.stride * span:
                merged[-1] = d._replace(size=last.size * span)
                continue
        merged.append(d)
    return tuple(merged)


def _is_plain(digit: Digit, shape: Shape) -> bool:
    return digit.inner == 1 and digit.size == shape[digit.axis] and digit.offset == 0


def _on_block(digit: Digit, axis_size: int, start: int, size: int) -> bool:
    """Whether a slice keeps whole turns of the digit."""
    block = digit.inner * digit.size
    first = start - digit.offset
    if digit.offset or block < axis_size < 2 * block:
        return first <= 0 and start + size >= digit.offset + block
    return first % block == 0 and size % block == 0


def _reoffset(digit: Digit, start: int) -> Digit:
    return digit._replace(offset=(digit.offset - start) if digit.offset else 0)


def _steps(shape: Shape) -> list[int]:
    """Elements between neighbouring indices of each axis."""
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def _placed(
    digit: Digit, old: Shape, old_steps: Sequence[int], new: Shape, new_steps: Sequence[int]
) -> list[Digit] | None:
    """The digits of the new axes that one digit of an old axis becomes; None where it is cut across."""
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


def _joined_unit_by_unit(a: View, b: View, pooled: str) -> View:
    """The hull where fields or layouts differ: every unit of the map is looked at."""
    if not a.digits and not b.digits:
        (low_a, high_a), (low_b, high_b) = a.field.at(0), b.field.at(0)
        hull = Field(0, (min(low_a, low_b),), (max(high_a, high_b),))
        return View(hull, (), pooled, extent=a.extent, is_part=_are_part(a, b))
    if not (a.digits and b.digits) and not (a.pooled or b.pooled) and max(a.units, b.units) > 1:
        return unknown("one place of a map joined with all places of it", a if a.digits else b)
    digits = _common(a.digits, b.digits) if not (a.digits and b.digits) or are_aligned(a, b) else None
    if digits is None:
        return unknown("a join of maps whose spatial axes are laid out differently")
    intervals = []
    for index in itertools.product(*(range(d.size) for d in digits)):
        (low_a, high_a), (low_b, high_b) = _seen(a, digits, index), _seen(b, digits, index)
        intervals.append((min(low_a, low_b), max(high_a, high_b)))
    strides = [math.prod(d.size for d in digits[i + 1 :]) for i in range(len(digits))]
    laid = tuple(d._replace(stride=s) for d, s in zip(digits, strides, strict=True))
    return normal(View(explicit(intervals), laid, extent=a.extent))


def _common(a: Sequence[Digit], b: Sequence[Digit]) -> list[Digit] | None:
    """The digits of both, those that reach further first; None where they overlap without being the same.

    So an index within windows comes behind that of the windows, be it dilated, and counts in smaller steps.
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
