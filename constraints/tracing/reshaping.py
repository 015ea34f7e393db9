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
    settled,
    shifted,
    sliced,
    unknown,
    without,
)
from constraints.tracing.mixing import pointwise
from constraints.tracing.parts import assembled, cut_out, inserted, laid, overlaid
from constraints.tracing.values import Call, Flow, Part, Result, Results, Value, Views, fresh, join_views, merge_flows


def permuted_views(views: Views, order: Sequence[int]) -> Views:
    """After ``permute(order)``: new axis ``i`` is old axis ``order[i]``."""
    axes = [list(order).index(a) for a in range(len(order))]
    return tuple(moved(v, axes) for v in views)


def reshape_views(views: Views, old: Shape, new: Shape) -> Views:
    """After a reshape of contiguous elements."""
    views = tuple([reshaped(v, old, new) for v in views])
    if 1 in new[1:] and any(v is not None and not v.digits for v in views):
        views = settled(views, new)
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
    return permuted_views(data.views, order_of(call, len(data.shape))), data.flow


def order_of(call: Call, n: int) -> list[int]:
    """Which old axis each new one is, of a permutation of ``n`` axes."""
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
    return settled(views, call.shape) if any(v is not None and not v.digits for v in views) else views, data.flow


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
    return taken(call)[0]


def slice_(call: Call) -> Result:
    """A range of an axis."""
    return taken(call)[0]


def taken(call: Call) -> Results:
    """Select, slice, split, chunk and unbind: parts of an axis."""
    data, found = call.inputs[0], []
    for i, cut in enumerate(cuts(call, data.shape) or ()):
        views, flow, parts = cut_views(data, cut)
        if cut.is_select:
            axes = [None if a == cut.axis else a - (a > cut.axis) for a in range(len(data.shape))]
            views = tuple(moved(v, axes) for v in views)
        elif parts:
            call.parts[i] = parts
        found.append((views, flow))
    return found


def gated_half(call: Call) -> Result:
    """Gated linear units: the first half of an axis, scaled by the second at its place."""
    data, axis, halves = call.inputs[0], call.arg("dim", -1) % len(call.shape), []
    for at in (0, call.shape[axis]):
        views, flow, _ = cut_views(data, Cut(axis, at, 1, call.shape[axis]))
        halves.append(Value(call.shape, views, flow, None))
    return pointwise(call.but(op="mul", inputs=halves))


def cuts(call: Call, shape: Shape) -> list[Cut] | None:
    """Which part of a tensor of ``shape`` each result is; None for an operation that takes none."""
    if call.op not in (
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "unsafe_split",
        "unsafe_split_with_sizes",
        "unbind",
    ):
        return None
    axis = call.arg("dim", 0) % len(shape)
    size = shape[axis]
    if call.op == "select":
        return [Cut(axis, call.arg("index") % size, 1, 1, True)]
    if call.op == "unbind":
        return [Cut(axis, i, 1, 1, True) for i in range(size)]
    if call.op == "slice":
        start = call.arg("start", None) or 0
        start = min(max(start + size if start < 0 else start, 0), size)
        return [Cut(axis, start, call.arg("step", 1), call.shape[axis])]
    if "split_sizes" in call.names:
        sizes = list(call.arg("split_sizes"))
    else:
        step = call.arg("split_size")
        sizes = [min(step, size - i) for i in range(0, size, step)]
    return [Cut(axis, sum(sizes[:i]), 1, n) for i, n in enumerate(sizes)]


def cut_views(data: Value, cut: Cut) -> tuple[Views, Flow, tuple[Part, ...]]:
    """What a part of an axis sees, which stays where it is one index, and what it is put together of itself."""
    if data.parts:
        size = tuple(cut.size if a == cut.axis else n for a, n in enumerate(data.shape))
        views, flow, parts = assembled(cut_out(data.parts, data.shape, cut), size)
        return views, fresh(flow) if flow.origin is not None else flow, parts  # none: only constants were laid here
    if cut.is_select:
        return tuple(selected(v, cut.axis, cut.start) for v in data.views), fresh(data.flow), ()
    whole = cut.start == 0 and cut.step == 1 and cut.size == data.shape[cut.axis]
    return tuple(sliced(v, data.shape, cut) for v in data.views), data.flow if whole else fresh(data.flow), ()


def stack(call: Call) -> Result:
    """Tensors side by side along a new axis."""
    axis = call.arg("dim", 0) % len(call.shape)
    parts = []
    for i, value in enumerate(call.inputs):
        parts.append(Part({axis: range(i, i + 1)}, inserted(value.views, axis, len(call.shape)), value.flow))
    views, flow, call.parts[0] = assembled(parts, call.shape)
    return views, fresh(flow)


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
    views = tuple(_picked(v, axes if keeps else range(n), keeps, data.shape, call.shape) for v in data.views)
    return views, fresh(data.flow)


def _picked(view: View | None, axes: Sequence[int], keeps: bool, old: Shape, new: Shape) -> View | None:
    if view is None or not view.digits:
        return view
    if keeps and not any(d.axis in axes for d in view.digits):
        return view
    why, on = "indexing by a tensor along a spatial axis", [d for d in view.digits if d.axis in axes]
    if not keeps or len(on) > 1 or view.other or view.swept or not on[0].fills(old):
        return blurred(view, axes, why)
    digits = tuple(Digit(d.axis, 1, new[d.axis], d.stride) if d in on else d for d in view.digits)
    return unknown(view.unknown or view.blurred or why, view._replace(digits=digits))


def scattered(call: Call) -> Result:
    """A tensor with another one in place of a slice or of one index of it."""
    data, source = call.inputs[:2]
    axis, n = call.arg("dim", 0) % len(data.shape), len(data.shape)
    if call.op == "select_scatter":
        at = call.arg("index") % data.shape[axis]
        new = [Part({axis: range(at, at + 1)}, inserted(source.views, axis, n), source.flow)]
    else:
        start, step = call.arg("start", None) or 0, call.arg("step", 1)
        start = min(max(start + data.shape[axis] if start < 0 else start, 0), data.shape[axis])
        new = laid(source, {axis: range(start, start + source.shape[axis] * step, step)})
    views, flow, call.parts[0] = assembled(overlaid(laid(data, {}), new), call.shape)
    return views, fresh(flow)


def put(call: Call) -> Result:
    """Values written where an index says: known along axes that carry nothing spatial."""
    data, values = call.inputs[0], call.inputs[-1]
    indices = call.arg("indices", None)
    axes = [call.arg("dim", 0)] if indices is None else [i for i, index in enumerate(indices) if index is not None]
    axes = [a % len(data.shape) for a in axes]
    keeps = len(axes) == 1 and len(values.shape) <= len(data.shape) and not any(v.depends for v in call.inputs[1:-1])
    rows = [data.views, tuple(_put(v, axes, keeps) for v in _as_last(values, len(data.shape)))]
    depend = [v.flow for v in (data, *call.inputs[1:]) if v.depends]
    for index in call.inputs[1:-1]:  # where the input itself says where to write
        rows.append(tuple(v and unknown("an index that depends on the input") for v in index.views))
    return join_views(rows), fresh(merge_flows(depend))


def _as_last(value: Value, n: int) -> Views:
    """The views of a tensor whose axes are the last of ``n``, as broadcasting has it."""
    return _moved_all(value, [a + n - len(value.shape) for a in range(len(value.shape))])


def _put(view: View | None, axes: Sequence[int], keeps: bool) -> View | None:
    if view is None or not view.digits or (keeps and not any(d.axis in axes for d in view.digits)):
        return view
    return unknown(view.unknown or "a write by an index along a spatial axis")


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
    """as_strided: any layout of memory of which the layout is not known."""
    data = call.inputs[0]
    return tuple(v and unknown(v.unknown or "as_strided") for v in data.views), fresh(data.flow)


def same(call: Call) -> Result:
    """Identity in every respect that counts: alias, detach, clone, contiguous, dtype and device changes."""
    return call.inputs[0].views, call.inputs[0].flow


def _moved_all(data: Value, axes: Sequence[int | None]) -> Views:
    return tuple(moved(v, axes) for v in data.views)
