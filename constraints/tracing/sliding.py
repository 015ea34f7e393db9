"""Views after operations along one tensor axis: windows, padding, slices, selection, resampling; no torch."""

from __future__ import annotations

import math

from constraints.receptive_field import adaptive
from constraints.tracing.axes import Cut, Digit, Shape, View, Window, is_plain, normal, unknown, without_idle
from constraints.tracing.joining import blurred, of_each_place, reduced
from constraints.tracing.left_out import cut as with_places
from constraints.tracing.left_out import made_by


@of_each_place
def windowed(view: View | None, axis: int, shape: Shape, window: Window) -> View | None:
    """The view after a convolution or pooling along one axis of a tensor of shape ``shape``."""
    if view is None or (window.changes_nothing and window.size == shape[axis]):
        return view
    if len(view.digits) == 1 and view.digits[0].axis != axis:
        return view
    if view.digits == ((axis, 1, shape[axis], 1, 0),) and not view.swept:  # the usual case
        field = view.field.window(window.kernel, window.dilation, -window.padding).every(window.stride)
        found = View(
            field, (Digit(axis, 1, window.size, 1),), view.pooled, view.unknown, view.extent, False, view.blurred
        )
        return made_by(found, shape[axis], window)
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
    return normal(view._replace(field=field, digits=tuple(digits), taken=None))


def _is_in_patches(view: View, at: int) -> bool:
    """Whether a digit counts inside patches, and another digit, with larger steps, counts the patches."""
    return any(abs(d.stride) > abs(view.digits[at].stride) for d in view.digits)


def _windowed_in_patches(view: View, at: int, window: Window) -> View:
    """The view after a window that slides inside patches: beyond a patch's border is padding, not the next patch."""
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
    return normal(view._replace(field=field, digits=tuple(digits), taken=None))


@of_each_place
def shifted(view: View | None, axis: int, shape: Shape, by: int, size: int) -> View | None:
    """The view after an axis was padded by ``by`` indices in front (cropped if negative) to a total of ``size``."""
    on = [d for d in view.digits if d.axis == axis] if view else []
    if view is None or not on:
        return view
    if len(on) == 1 and is_plain(on[0], shape):
        return _slid(view, axis, shape, Window(padding=by, size=size))
    if by >= 0 and size >= by + shape[axis]:  # a border around places that several digits count
        return view._replace(digits=tuple(d._replace(offset=d.offset + by) if d in on else d for d in view.digits))
    if by <= 0 and size - by <= shape[axis]:
        return sliced(view, shape, Cut(axis, -by, 1, size))
    return _slid(view, axis, shape, Window(padding=by, size=size))


def _slid(view: View, axis: int, shape: Shape, window: Window) -> View | None:
    """The view after a window of one element, which leaves out places or adds a border."""
    found = windowed(view, axis, shape, window)
    return with_places(view, found, -window.padding, window.stride) if found is not None else None


@of_each_place
def sliced(view: View | None, shape: Shape, cut: Cut) -> View | None:
    """The view after taking a part of a tensor axis."""
    axis, start, step, size = cut[:4]
    if view is None or (step == 1 and start == 0 and size == shape[axis]):
        return view
    digits = [d for d in view.digits if d.axis == axis]
    if not digits:
        return view
    if len(digits) == 1 and is_plain(digits[0], shape):
        part = _slid(view, axis, shape, Window(stride=step, padding=-start, size=size))
        return part and without_idle(part)
    if step == 1 and all(_on_block(d, shape[axis], start, size) for d in digits):
        return view._replace(digits=tuple(_reoffset(d, start) if d.axis == axis else d for d in view.digits))
    if all(start + size <= d.offset for d in digits):  # only the border, such as a class token
        return reduced(view, [axis])
    return blurred(view, [axis], "a slice that cuts across a spatial axis")


@of_each_place
def selected(view: View | None, axis: int, index: int) -> View | None:
    """The view after selecting one index of a tensor axis (which is kept, with size 1)."""
    if view is None or not view.digits:
        return view
    field, kept, pooled, is_part = view.field, [], view.pooled, view.is_part
    for d in view.digits:
        is_part = is_part or (d.axis == axis and d.size > 1)
        if d.axis != axis:
            kept.append(d)
        elif 0 <= (index - d.offset) // d.inner < d.size or d.offset == 0:
            field = field.window(1, 1, (index - d.offset) // d.inner % d.size * d.stride)
        else:  # in the border, such as a class token
            field, pooled = field.window(d.size, d.stride), "other"
    is_part = is_part and not kept
    found = view._replace(field=field, digits=tuple(kept), pooled="" if kept else pooled, is_part=is_part)
    at = next(((index - d.offset) // d.inner % d.size for d in view.digits if d.axis == axis), 0)
    return normal(with_places(view, found, at) if found.digits != view.digits else found)


@of_each_place
def plain(view: View | None, axis: int, shape: Shape) -> View | None:
    """The same view with at most one digit on a tensor axis, which then counts the axis index by index."""
    if view is None or not view.digits:
        return view
    on_axis = [d for d in view.digits if d.axis == axis]
    if not on_axis or (len(on_axis) == 1 and is_plain(on_axis[0], shape)):
        return view
    d = on_axis[0]
    if len(view.digits) == 1 and d.stride > 0 and shape[axis] < 2 * d.inner * d.size:
        field = view.field.every(d.stride).resample(lambda i: [i // d.inner], outputs=d.inner, inputs=1)
        field = field.window(1, 1, -d.offset)
        return view._replace(field=field, digits=(Digit(axis, 1, shape[axis], 1),))
    return blurred(view, [axis], "a window over an axis that carries parts of several axes")


@of_each_place
def resampled_axis(view: View | None, axis: int, shape: Shape) -> View | None:
    """The view prepared for a resampling along a tensor axis: with one digit, of stride 1."""
    view = plain(view, axis, shape)
    if view is None or not any(d.axis == axis for d in view.digits):
        return view
    if len(view.digits) > 1 or view.digits[0].stride < 1:
        return unknown(view.unknown or "a resampling of an axis that is split over several tensor axes")
    return normal(view)


@of_each_place
def adaptive_pooled(view: View | None, axis: int, shape: Shape, output: int) -> View | None:
    """The view after an adaptive pooling of a tensor axis to ``output`` units."""
    view = resampled_axis(view, axis, shape)
    if view is None or not any(d.axis == axis for d in view.digits):
        return view
    field = adaptive(view.field, shape[axis], output)
    return view._replace(field=field, digits=(Digit(axis, 1, output, 1),), taken=None)


def _on_block(digit: Digit, axis_size: int, start: int, size: int) -> bool:
    """Whether a slice keeps whole cycles of the digit."""
    block = digit.inner * digit.size
    first = start - digit.offset
    if digit.offset or block < axis_size < 2 * block:
        return first <= 0 and start + size >= digit.offset + block
    return first % block == 0 and size % block == 0


def _reoffset(digit: Digit, start: int) -> Digit:
    return digit._replace(offset=(digit.offset - start) if digit.offset else 0)
