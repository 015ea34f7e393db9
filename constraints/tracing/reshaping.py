"""The rules of operations that move elements without mixing them: views, permutations, shifts, tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

from constraints.tracing.assembling import ROWS_APART, apart, assembled
from constraints.tracing.axes import Digit, Shape, View, normal, unknown
from constraints.tracing.calls import Result
from constraints.tracing.flows import moved as moved_flow
from constraints.tracing.joining import blurred, reduced
from constraints.tracing.layouts import moved, reshaped, settled, without
from constraints.tracing.left_out import lacking, rolled
from constraints.tracing.mixing import pointwise
from constraints.tracing.rearranged import Mover, indexed, joins_places, repeated
from constraints.tracing.rearranged import permuted as permuted_parts
from constraints.tracing.rearranged import reshaped as reshaped_parts
from constraints.tracing.sliding import plain, shifted
from constraints.tracing.values import Call, Part, Value, Views


def permuted_views(views: Views, order: Sequence[int]) -> Views:
    """The views after ``permute(order)``: new axis ``i`` is old axis ``order[i]``."""
    axes = [list(order).index(a) for a in range(len(order))]
    return tuple(moved(v, axes) for v in views)


def reshape_views(views: Views, old: Shape, new: Shape) -> Views:
    """The views after a reshape of contiguous elements."""
    views = tuple([reshaped(v, old, new) for v in views])
    if 1 in new[1:] and any(v is not None and not v.digits for v in views):
        views = settled(views, new)
    if any(v is not None and len(v.digits) == 1 and v.digits[0].inner > 1 for v in views):
        return _repeating(views, new)
    return views


def _repeating(views: Views, shape: Shape) -> Views:
    """The views of a map whose units are each repeated several times in a row (as by a pixel shuffle): a finer map."""
    single = [v.digits[0] for v in views if v is not None and len(v.digits) == 1]
    axes = {d.axis for d in single}
    if not len(views) == len(single) == len(axes) == len(shape) - 2 or any(d.offset or d.stride < 1 for d in single):
        return views
    if any(d.inner * d.size != shape[d.axis] for d in single):
        return views
    return tuple([plain(v, v.digits[0].axis, shape) if v else v for v in views])


def reshape(call: Call) -> Result:
    """View, reshape, flatten, unflatten."""
    data = call.inputs[0]
    views = reshape_views(data.views, data.shape, call.shape)
    if data.parts and prod(data.shape) == prod(call.shape):  # other than in a view of another type
        _note(call, reshaped_parts(data, call.shape, reshape_views))
        if joins_places(data, call.shape) and _is_map(views):
            views = tuple(v and unknown(v.unknown or _JOINED, v) for v in views)
        views = _with_rows(views, call)
    return views, data.flow


def _with_rows(views: Views, call: Call) -> Views:
    """The views after rows of the batch may have become channels, or the other way round."""
    parts = call.parts.get(0, ())
    if parts and any(v is not None and ROWS_APART in v.blurred for v in views):
        return assembled(parts, call.shape)[0]
    return apart(views, parts, call.shape)


_JOINED = "channels that see different places become places of a map"


def _is_map(views: Views) -> bool:
    """Whether each spatial axis has an axis of its own."""
    axes = [d.axis for v in views if v is not None for d in v.digits]
    return len(axes) == len(set(axes)) == sum(v is not None for v in views)


def permute(call: Call) -> Result:
    """Permute, transpose, t."""
    data = call.inputs[0]
    order = order_of(call, len(data.shape))
    views = permuted_views(data.views, order)
    if data.parts and (parts := permuted_parts(data, order, lambda views, _: permuted_views(views, order))):
        call.parts[0] = parts
        views = _with_rows(views, call)
    return views, data.flow


def order_of(call: Call, n: int) -> list[int]:
    """The old axis of each new axis, for a permutation of ``n`` axes."""
    order = list(range(n))
    if call.op == "permute":
        return [d % n for d in call.arg("dims")]
    a, b = (0, n - 1) if call.op == "t" else (call.arg("dim0") % n, call.arg("dim1") % n)
    order[a], order[b] = order[b], order[a]
    return order


def unsqueeze(call: Call) -> Result:
    """A new axis of size 1."""
    data = call.inputs[0]
    at = call.arg("dim") % len(call.shape)
    views = _moved_all(data, [a + (a >= at) for a in range(len(data.shape))])
    _note(call, reshaped_parts(data, call.shape, reshape_views))
    return settled(views, call.shape) if any(v is not None and not v.digits for v in views) else views, data.flow


def squeeze(call: Call) -> Result:
    """Axes of size 1 removed."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    dims = call.arg("dim", None) if "dim" in call.names else None
    asked = range(n) if dims is None else [dims] if isinstance(dims, int) else dims
    gone = {d % n for d in asked if data.shape[d % n] == 1}
    _note(call, reshaped_parts(data, call.shape, reshape_views))
    return _moved_all(data, without(gone, n)), data.flow


def expand(call: Call) -> Result:
    """Axes of size 1 repeated without a copy."""
    data, shift = call.inputs[0], len(call.shape) - len(call.inputs[0].shape)
    if data.parts:
        old = (*[1] * shift, *data.shape)
        times = [n // before for n, before in zip(call.shape, old, strict=True)]
        axes = [None if n > 1 else a for a, n in enumerate(times)]
        _note(call, repeated(data, times, lambda views, _: tuple(moved(v, axes[shift:]) for v in views)))
    return pointwise(call)


def roll(call: Call) -> Result:
    """A cyclic shift; the units that wrap around count as a border."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    dims, shifts, views = [d % n for d in call.arg("dims", [])], call.arg("shifts"), data.views
    if not dims and any(v is not None and v.digits for v in views):
        axes, why = range(n), "a roll over the flattened map"
        return tuple(v and blurred(v, axes, why) for v in views), moved_flow(data.flow)

    def rolled_views(views: Views, shape: Shape) -> Views:
        for axis, shift in zip(dims, shifts, strict=False):
            size = shape[axis]
            shortest = (shift + size // 2) % size - size // 2
            views = tuple(rolled(v, shifted(v, axis, shape, shortest, size), shift % size) for v in views)
        return views

    for axis, shift in zip(dims, shifts, strict=False) if _is_one(dims, data) else ():
        size = data.shape[axis]
        _note_parts(call, axis, [(i - shift) % size for i in range(size)], rolled_views)
    return rolled_views(views, data.shape), moved_flow(data.flow)


def _is_one(dims: Sequence[int], data: Value) -> bool:
    """Whether parts differ along exactly one of the moved axes; along several, any part may be anywhere."""
    return sum(any(axis in part.region for part in data.parts) for axis in dims) == 1


def _note_parts(call: Call, axis: int, sources: Sequence[int], move: Mover) -> None:
    """Record the parts of a result whose index ``i`` of an axis is ``sources[i]`` of the operand."""
    data = call.inputs[0]
    if any(axis in part.region for part in data.parts):
        _note(call, indexed(data, axis, sources, move))


def _note(call: Call, parts: tuple[Part, ...]) -> None:
    """Record the parts of the result, if there are any that could be followed."""
    if parts:
        call.parts[0] = parts


def moved_axes(call: Call) -> int:
    """The number of last axes within which a roll, a flip or a turn moves elements."""
    n = len(call.shape)
    return max((n - d % n for d in call.arg("dims", [])), default=n)


def flip(call: Call) -> Result:
    """Axes reversed."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    dims = [d % n for d in call.arg("dims")]

    def flipped_views(views: Views, shape: Shape) -> Views:
        for axis in dims:
            views = tuple(_flipped(v, axis, shape) for v in views)
        return views

    for axis in dims if _is_one(dims, data) else ():
        _note_parts(call, axis, range(data.shape[axis])[::-1], flipped_views)
    return flipped_views(data.views, data.shape), moved_flow(data.flow)


def _flipped(view: View | None, axis: int, shape: Shape) -> View | None:
    if view is None:
        return view
    field, digits = view.field, []
    for d in view.digits:
        if d.axis == axis:
            field = field.window(1, 1, (d.size - 1) * d.stride)
            offset = (shape[axis] - d.offset) % (d.inner * d.size)  # where its first whole cycle begins now
            digits.append(d._replace(stride=-d.stride, offset=offset))
        else:
            digits.append(d)
    return view._replace(field=field, digits=tuple(digits))


def rot90(call: Call) -> Result:
    """Quarter turns in the plane of two axes: a flip and a transposition each."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    first, second = (d % n for d in call.arg("dims"))
    views, turns = data.views, call.arg("k", 1) % 4
    for axis in {1: [second], 2: [first, second], 3: [first]}.get(turns, []):
        views = tuple(_flipped(v, axis, data.shape) for v in views)
    if turns % 2:
        order = list(range(n))
        order[first], order[second] = second, first
        views = permuted_views(views, order)
    return views, moved_flow(data.flow)


def repeat(call: Call) -> Result:
    """Tiles along the axes."""
    data, times = call.inputs[0], call.arg("repeats")
    shift = len(times) - len(data.shape)
    tiled = [a for a, n in enumerate(times) if n > 1]

    def tiled_views(views: Views, shape: Shape) -> Views:
        views = tuple(moved(v, [a + shift for a in range(len(shape))]) for v in views)
        whole = (*[1] * shift, *shape)
        if any(v is not None and any(d.axis in tiled and not d.fills(whole) for d in v.digits) for v in views):
            views = tuple(v and blurred(v, tiled, "tiles of an axis that holds more than its map") for v in views)
        return views

    _note(call, repeated(data, times, tiled_views))
    return tiled_views(data.views, data.shape), moved_flow(data.flow)


def windows(call: Call) -> Result:
    """Tensor.unfold: a new last axis counts within each window."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    axis, size, step = call.arg("dimension") % n, call.arg("size"), call.arg("step")
    count = call.shape[axis]
    rows = [plain(v, axis, data.shape) for v in data.views]
    views = tuple(_unfolded(v, axis, Digit(n, 1, size, step), count, data.shape[axis]) for v in rows)
    return views, moved_flow(data.flow)


def _unfolded(view: View | None, axis: int, within: Digit, count: int, size: int) -> View | None:
    """The view after ``unfold`` of an axis of ``size``, with ``count`` windows.

    ``within`` counts inside a window; its stride here is the distance of windows.
    """
    if view is None:
        return view
    digits: list[Digit] = []
    for d in view.digits:
        if d.axis != axis:
            digits.append(d)
        else:
            windows = Digit(axis, 1, count, d.stride * within.stride)
            digits += [windows, within._replace(stride=d.stride)]
    seen = (count - 1) * min(within.stride, within.size) + within.size
    return normal(lacking(view, view._replace(digits=tuple(digits)), size - seen if view.axes & {axis} else 0))


def shuffled(call: Call) -> Result:
    """Pixel shuffle and unshuffle: channels become pixels of a finer map, or the other way round."""
    data = call.inputs[0]
    *batch, channels, height, width = data.shape
    n = len(batch)
    if call.op == "pixel_shuffle":
        r = call.arg("upscale_factor")
        middle = (*batch, channels // r**2, r, r, height, width)
        order = [*range(n), n, n + 3, n + 1, n + 4, n + 2]
    else:
        r = call.arg("downscale_factor")
        middle = (*batch, channels, height // r, r, width // r, r)
        order = [*range(n), n, n + 2, n + 4, n + 1, n + 3]
    split = _after(reshape, call, data, middle)
    turned = _after(permute, call.changed(op="permute", kwargs={"dims": order}), split, tuple(middle[i] for i in order))
    joined = _after(reshape, call, turned, call.shape)
    _note(call, joined.parts)
    return joined.views, moved_flow(data.flow)


def _after(rule: Callable[[Call], Result], call: Call, data: Value, shape: Shape) -> Value:
    """A tensor after one of the steps that a call consists of, which makes it one of ``shape``."""
    step = call.changed(inputs=[data], shape=shape, parts={})
    views, _ = rule(step)
    return replace(data, shape=shape, views=views, parts=step.parts.get(0, ()))


def channels_shuffled(call: Call) -> Result:
    """Channel shuffle: groups of channels interleaved."""
    data, groups = call.inputs[0], call.arg("groups")
    batch, channels, *places = data.shape
    split = (batch, groups, channels // groups, *places)
    order = [0, 2, 1, *range(3, len(split))]
    views = permuted_views(reshape_views(data.views, data.shape, split), order)
    if data.parts:
        sources = [(i % groups) * (channels // groups) + i // groups for i in range(channels)]
        _note_parts(call, 1, sources, lambda views, _: views)
    return reshape_views(views, tuple(split[i] for i in order), data.shape), data.flow


def restrided(call: Call) -> Result:
    """as_strided: an arbitrary layout of memory, so its result is unknown; windows are written with ``unfold``."""
    data = call.inputs[0]
    why = "a view with strides of its own is not followed: write windows with unfold"
    return tuple(v and unknown(v.unknown or why) for v in data.views), moved_flow(data.flow)


def same(call: Call) -> Result:
    """Identity in every respect that matters here: alias, detach, clone, contiguous, dtype and device changes."""
    return call.inputs[0].views, call.inputs[0].flow


def complex_of_pairs(call: Call) -> Result:
    """view_as_complex: the two indices of the last axis become one number."""
    data, last = call.inputs[0], len(call.inputs[0].shape) - 1
    gone = without([last], last + 1)
    return tuple(moved(reduced(v, [last], "mixed"), gone) for v in data.views), moved_flow(data.flow)


def pairs_of_complex(call: Call) -> Result:
    """view_as_real: each number becomes two indices of a new last axis."""
    return call.inputs[0].views, moved_flow(call.inputs[0].flow)


def _moved_all(data: Value, axes: Sequence[int | None]) -> Views:
    return tuple(moved(v, axes) for v in data.views)
