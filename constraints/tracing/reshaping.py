"""The rules of operations that move elements without mixing them: views, slices, permutations, shifts."""

from __future__ import annotations

from collections.abc import Sequence

from constraints.tracing.axes import (
    Cut,
    Digit,
    Shape,
    View,
    blurred,
    moved,
    normal,
    plain,
    reduced,
    reshaped,
    selected,
    shifted,
    sliced,
    unknown,
    without,
)
from constraints.tracing.mixing import pointwise
from constraints.tracing.values import Call, Result, Results, Value, Views, fresh, join_views, merge_flows


def permuted_views(views: Views, order: Sequence[int]) -> Views:
    """After ``permute(order)``: new axis ``i`` is old axis ``order[i]``."""
    axes = [list(order).index(a) for a in range(len(order))]
    return tuple(moved(v, axes) for v in views)


def reshape_views(views: Views, old: Shape, new: Shape) -> Views:
    """After a reshape of contiguous elements."""
    views = tuple([reshaped(v, old, new) for v in views])
    if any(v is not None and len(v.digits) == 1 and v.digits[0].inner > 1 for v in views):
        return _repeating(views, new)
    return views


def _repeating(views: Views, shape: Shape) -> Views:
    """A map whose units are each written several times in a row (a pixel shuffle, say) is a finer map."""
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
    return reshape_views(data.views, data.shape, call.shape), data.flow


def permute(call: Call) -> Result:
    """Permute, transpose, t."""
    data = call.inputs[0]
    n = len(data.shape)
    order = list(range(n))
    if call.op == "permute":
        order = [d % n for d in call.arg("dims")]
    else:
        a, b = (0, n - 1) if call.op == "t" else (call.arg("dim0") % n, call.arg("dim1") % n)
        order[a], order[b] = order[b], order[a]
    return permuted_views(data.views, order), data.flow


def unsqueeze(call: Call) -> Result:
    """A new axis of size 1."""
    data = call.inputs[0]
    at = call.arg("dim") % len(call.shape)
    return _moved_all(data, [a + (a >= at) for a in range(len(data.shape))]), data.flow


def squeeze(call: Call) -> Result:
    """Axes of size 1 removed."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    dims = call.arg("dim", None) if "dim" in call.names else None
    asked = range(n) if dims is None else [dims] if isinstance(dims, int) else dims
    gone = {d % n for d in asked if data.shape[d % n] == 1}
    return _moved_all(data, without(gone, n)), data.flow


def expand(call: Call) -> Result:
    """Axes of size 1 repeated without a copy."""
    return pointwise(call)


def select(call: Call) -> Result:
    """One index of an axis."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    axis = call.arg("dim") % n
    return _selected(data, axis, call.arg("index"))


def _selected(data: Value, axis: int, index: int) -> Result:
    at = index % data.shape[axis]
    views = tuple(selected(v, axis, at) for v in data.views)
    axes = [None if a == axis else a - (a > axis) for a in range(len(data.shape))]
    return tuple(moved(v, axes) for v in views), fresh(data.flow)


def slice_(call: Call) -> Result:
    """A range of an axis."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    axis = call.arg("dim", 0) % n
    start, step = call.arg("start", None) or 0, call.arg("step", 1)
    size = data.shape[axis]
    start = min(max(start + size if start < 0 else start, 0), size)
    return _sliced(data, Cut(axis, start, step, call.shape[axis]))


def _sliced(data: Value, cut: Cut) -> Result:
    views = tuple(sliced(v, data.shape, cut) for v in data.views)
    whole = cut.start == 0 and cut.step == 1 and cut.size == data.shape[cut.axis]
    return views, data.flow if whole else fresh(data.flow)


def split(call: Call) -> Results:
    """Split, chunk: pieces of an axis side by side."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    axis = call.arg("dim", 0) % n
    if "split_sizes" in call.names:
        sizes = list(call.arg("split_sizes"))
    else:
        step, total = call.arg("split_size"), data.shape[axis]
        sizes = [min(step, total - i) for i in range(0, total, step)]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [_sliced(data, Cut(axis, start, 1, size)) for start, size in zip(starts, sizes, strict=True)]


def unbind(call: Call) -> Results:
    """Every index of an axis by itself."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    axis = call.arg("dim", 0) % n
    return [_selected(data, axis, i) for i in range(data.shape[axis])]


def stack(call: Call) -> Result:
    """Tensors side by side along a new axis."""
    axis = call.arg("dim", 0) % len(call.shape)
    axes = [a + (a >= axis) for a in range(len(call.shape) - 1)]
    rows = [tuple(moved(v, axes) for v in value.views) for value in call.inputs if value.depends]
    flow = merge_flows([v.flow for v in call.inputs if v.depends])
    return join_views(rows), fresh(flow)


def roll(call: Call) -> Result:
    """A cyclic shift; the units that wrap around count as a border."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    dims, shifts, views = call.arg("dims", []), call.arg("shifts"), data.views
    if not dims and any(v is not None and v.digits for v in views):
        axes, why = range(n), "a roll over the flattened map"
        return tuple(v and blurred(v, axes, why) for v in views), fresh(data.flow)
    for dim, shift in zip(dims, shifts, strict=False):
        axis = dim % n
        size = data.shape[axis]
        shortest = (shift + size // 2) % size - size // 2
        views = tuple(shifted(v, axis, data.shape, shortest, size) for v in views)
    return views, fresh(data.flow)


def flip(call: Call) -> Result:
    """Axes turned round."""
    data, n, views = call.inputs[0], len(call.inputs[0].shape), call.inputs[0].views
    for dim in call.arg("dims"):
        views = tuple(_flipped(v, dim % n, data.shape) for v in views)
    return views, fresh(data.flow)


def _flipped(view: View | None, axis: int, shape: Shape) -> View | None:
    if view is None:
        return view
    field, digits = view.field, []
    for d in view.digits:
        if d.axis == axis:
            field = field.window(1, 1, (d.size - 1) * d.stride)
            offset = (shape[axis] - d.offset) % (d.inner * d.size)  # where its first whole turn begins now
            digits.append(d._replace(stride=-d.stride, offset=offset))
        else:
            digits.append(d)
    return view._replace(field=field, digits=tuple(digits))


def repeat(call: Call) -> Result:
    """Tiles along the axes."""
    data, times = call.inputs[0], call.arg("repeats")
    shift = len(times) - len(data.shape)
    views = _moved_all(data, [a + shift for a in range(len(data.shape))])
    tiled = [a for a, n in enumerate(times) if n > 1]
    shape = (*[1] * shift, *data.shape)
    if any(v is not None and any(d.axis in tiled and not d.fills(shape) for d in v.digits) for v in views):
        views = tuple(v and blurred(v, tiled, "tiles of an axis that holds more than its map") for v in views)
    return views, fresh(data.flow)


def windows(call: Call) -> Result:
    """Tensor.unfold: a new last axis counts within each window."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    axis, size, step = call.arg("dimension") % n, call.arg("size"), call.arg("step")
    count = call.shape[axis]
    views = tuple(_unfolded(plain(v, axis, data.shape), axis, Digit(n, 1, size, step), count) for v in data.views)
    return views, fresh(data.flow)


def _unfolded(view: View | None, axis: int, within: Digit, count: int) -> View | None:
    """``within`` counts inside a window; its stride is the distance between windows here."""
    if view is None:
        return view
    digits: list[Digit] = []
    for d in view.digits:
        if d.axis != axis:
            digits.append(d)
        else:
            windows = Digit(axis, 1, count, d.stride * within.stride)
            digits += [windows, within._replace(stride=d.stride)]
    return normal(view._replace(digits=tuple(digits)))


def picked(call: Call) -> Result:
    """Indexing by a tensor: known along axes that carry nothing spatial."""
    data, n = call.inputs[0], len(call.inputs[0].shape)
    if call.op == "index_select":
        axes, keeps = [call.arg("dim") % n], True
    else:
        indices = call.arg("indices")
        axes = [i for i, index in enumerate(indices) if index is not None]
        keeps = len(axes) == 1 and len(call.shape) == n
    views = tuple(_picked(v, axes, n, keeps) for v in data.views)
    return views, fresh(data.flow)


def _picked(view: View | None, axes: Sequence[int], n: int, keeps: bool) -> View | None:
    if view is None or not view.digits:
        return view
    if keeps and not any(d.axis in axes for d in view.digits):
        return view
    return blurred(view, axes if keeps else range(n), "indexing by a tensor along a spatial axis")


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
    views = permuted_views(reshape_views(data.views, data.shape, middle), order)
    views = reshape_views(views, tuple(middle[i] for i in order), call.shape)
    return views, fresh(data.flow)


def channels_shuffled(call: Call) -> Result:
    """Channel shuffle: groups of channels interleaved."""
    data = call.inputs[0]
    views = tuple(reduced(v, [1]) for v in data.views)
    return views, data.flow


def restrided(call: Call) -> Result:
    """as_strided: known where it only lays the same shape out anew."""
    data = call.inputs[0]
    if data.shape == call.shape and not call.arg("storage_offset", None):
        return data.views, data.flow
    return tuple(v and unknown("as_strided") for v in data.views), fresh(data.flow)


def same(call: Call) -> Result:
    """Identity in every respect that counts: alias, detach, clone, contiguous, dtype and device changes."""
    return call.inputs[0].views, call.inputs[0].flow


def _moved_all(data: Value, axes: Sequence[int | None]) -> Views:
    return tuple(moved(v, axes) for v in data.views)
