"""The rules of operations that slide a window over space: convolutions, poolings, padding."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from constraints.receptive_field import transposed
from constraints.tracing.assembling import assembled
from constraints.tracing.axes import Cut, Digit, Shape, View, Window, normal, unknown
from constraints.tracing.calls import Result
from constraints.tracing.cutting import cut_views
from constraints.tracing.flows import fresh
from constraints.tracing.handles import Handle
from constraints.tracing.joining import reduced
from constraints.tracing.left_out import remade
from constraints.tracing.maxima import are_places
from constraints.tracing.pooling import as_of_a_map, pool, pool_by_weights
from constraints.tracing.rearranged import differing, no_places
from constraints.tracing.sliding import adaptive_pooled, resampled_axis, shifted, windowed
from constraints.tracing.values import Call, Flow, Key, Part, Path, Value


def described(call: Call) -> None:
    """Record what kind of convolution a call is, and its MACs."""
    data, weight = call.inputs[0], call.inputs[1]
    call.kernel = weight.shape[2:]
    n = len(call.kernel)
    call.stride, call.dilation = each(call.arg("stride", 1), n), each(call.arg("dilation", 1), n)
    call.groups, call.is_transposed = call.arg("groups", 1), call.arg("transposed", False)
    call.is_depthwise = call.groups == data.shape[len(data.shape) - n - 1] > 1
    per_output = math.prod(weight.shape[1:])
    call.macs = math.prod(data.shape if call.is_transposed else call.shape) * per_output
    call.label = f"conv_transpose{n}d" if call.is_transposed else f"conv{n}d"


def mixed_axes(call: Call) -> int:
    """The number of last axes that a window mixes; for a convolution that mixes channels, all but the batch."""
    if call.is_conv:
        data = call.inputs[0].shape
        is_apart = call.is_depthwise and call.shape[-len(call.kernel) - 1] == data[-len(call.kernel) - 1]
        return len(call.kernel) if is_apart else len(call.kernel) + 1
    return len(call.kernel) or len(call.shape) - 2


def convolution(call: Call) -> Result:
    """Convolution and transposed convolution in one, two or three dimensions."""
    described(call)
    data, weight = call.inputs[0], call.inputs[1]
    n = len(call.kernel)
    padding = each(call.arg("padding", 0), n)
    channel_axis = len(data.shape) - n - 1
    if (number := _weight_over_the_map(call, padding)) is not None:
        return pool_by_weights(call, data, range(channel_axis + 1, len(data.shape)), number)
    views = tuple([_convolved(v, call, data.shape, channel_axis, padding) for v in data.views])
    if call.is_spatial:
        views = as_of_a_map(views, data, range(channel_axis + 1, len(data.shape)))
    bordered = [channel_axis + 1 + i for i, ends in enumerate(_bordered(call)) if ends]
    if bordered:
        views = tuple([_masked(v, before, bordered) for v, before in zip(views, data.views, strict=True)])
    if not weight.depends:
        flow = _conv_flow(call, data)
        if data.parts and call.groups > 1:
            call.parts[0] = () if bordered else _of_groups(call, data, channel_axis, padding, flow)
        return views, flow
    for i, view in enumerate(weight.views):  # weights made from the input, as in dynamic convolution: a gate
        if view is not None and view.is_lost:
            views = (*views[:i], view, *views[i + 1 :])
        elif view is not None and data.views[i] is not None and not (view.is_whole or view.pooled):
            views = (*views[:i], unknown("its kernel is made of places of the map", data.views[i]), *views[i + 1 :])
    return views, _conv_flow(call, data, context=True)


_NO_MAP = "a group of channels that are no map, as where a pooled vector was expanded"


def _of_groups(call: Call, data: Value, axis: int, padding: Sequence[int], flow: Flow) -> tuple[Part, ...]:
    """The parts of the result of a grouped convolution: each group of channels sees what its own ones see.

    A group of constants stays one; the field of a group that is no map, as where a pooled vector was expanded, is
    unknown.
    """
    if not any(axis in p.region for p in differing(data)):
        return ()
    given, made = data.shape[axis] // call.groups, call.shape[axis] // call.groups
    shape = tuple(given if a == axis else n for a, n in enumerate(data.shape))
    parts: list[Part] = []
    for group in range(call.groups):
        views, group_flow, _ = cut_views(data, Cut(axis, group * given, 1, given))
        if group_flow.origin is not None:
            are_maps, group_flow = all(map(_is_map, views)), flow
            views = tuple([_convolved(v, call, shape, axis, padding) for v in views])
            views = views if are_maps else tuple([v and unknown(v.unknown or _NO_MAP, v) for v in views])
        is_same = bool(parts) and (parts[-1].views, parts[-1].flow) == (views, group_flow)
        first = parts.pop().region[axis].start if is_same else group * made
        parts.append(Part({axis: range(first, (group + 1) * made)}, views, group_flow))
    return tuple(parts) if len(parts) > 1 else ()


def _is_map(view: View | None) -> bool:
    return view is None or (bool(view.digits) and not (view.pooled or view.unknown or view.blurred))


def _bordered(call: Call) -> Sequence[bool]:
    kernel = call.arg("weight")
    return kernel.bordered if isinstance(kernel, Handle) else ()


def _masked(view: View | None, before: View | None, axes: Sequence[int]) -> View | None:
    """Unknown along axes on which the kernel has zeros at an end: it sees less than its size."""
    if view is None or before is None or view.unknown or not any(d.axis in axes for d in before.digits):
        return view
    return unknown("its kernel is computed or fixed, and zero at an end, so that it sees less than its size")


def _weight_over_the_map(call: Call, padding: Sequence[int]) -> float | None:
    """The weight of all units, for a convolution of single channels that sums the whole map by equal, fixed weights."""
    data, weight = call.inputs[:2]
    sizes = data.shape[len(data.shape) - len(call.kernel) :]
    if weight.fill is None or weight.shape[1] > 1 or math.prod(sizes) == 1 or max(call.dilation) > 1:
        return None
    if call.is_transposed or not all(_covered(call, sizes, padding)) or not weight.number:
        return None
    if math.isnan(weight.number):
        call.tags.add("averages")
        return None
    return weight.number


def _convolved(view: View | None, call: Call, shape: Shape, channel_axis: int, padding: Sequence[int]) -> View | None:
    axes: Iterable[int] = range(channel_axis + 1, len(shape))
    if view is not None and len(view.digits) == 1 and view.other is None:  # the usual case: a map along one axis
        axes = (only,) if (only := view.digits[0].axis) in axes else ()
    if not call.is_depthwise:
        view = reduced(view, [channel_axis])
    for axis in axes:
        i = axis - channel_axis - 1
        if call.is_transposed:
            view = _transposed(resampled_axis(view, axis, shape), axis, call, i, padding[i])
        else:
            window = Window(call.kernel[i], call.stride[i], call.dilation[i], padding[i], call.shape[axis])
            view = windowed(view, axis, shape, window)
    return remade(view)


def _transposed(view: View | None, axis: int, call: Call, i: int, padding: int) -> View | None:
    if view is None or not any(d.axis == axis for d in view.digits):
        return view
    field = transposed(view.field, call.kernel[i], call.stride[i], call.dilation[i], padding, units=call.shape[axis])
    return normal(view._replace(field=field, digits=(Digit(axis, 1, call.shape[axis], 1),)))


def _conv_flow(call: Call, data: Value, context: bool = False) -> Flow:
    flow, path = data.flow, data.flow.path
    if not call.is_transposed and call.groups == 1 and not call.is_spatial:
        call.pairs = flow.depthwise
    spatial, total, dilated = (path.spatial, path.total, path.dilated) if path else (0, 0, 0)
    if not [h for h in flow.heads if h.is_last and h.map is not None]:  # after the last global pool no stage follows
        path = Path(spatial + call.is_spatial, total + 1, call, path, dilated + call.is_dilated)
    depthwise = frozenset([call.key]) if call.is_depthwise else frozenset[Key]()
    made = Flow(object(), depthwise, path, flow.heads, flow.context or context, flow.map, None, 0, flow.poison)
    if flow.pieced:
        made = made._replace(pieced=flow.pieced)
    if flow.blended and (call.groups > 1 or math.prod(data.shape[: len(data.shape) - len(call.kernel) - 1]) > 1):
        return made._replace(blended=flow.blended)
    return made


def average_pool(call: Call) -> Result:
    """Average pooling; global where its window is the whole map."""
    return _pooled(call, "mean")


def max_pool(call: Call) -> Result:
    """Maximum pooling."""
    return _pooled(call, "max")


def _pooled(call: Call, how: str) -> Result:
    data = call.inputs[0]
    n = int(call.op.split("pool")[1][0])
    call.kernel = each(call.arg("kernel_size"), n)
    call.stride = each(call.arg("stride", None) or call.kernel, n)
    call.dilation = each(call.arg("dilation", 1), n) if how == "max" else (1,) * n
    padding, first = each(call.arg("padding", 0), n), len(data.shape) - n
    if how == "max":
        _note_maximum(call, data, first)
    covered = _covered(call, data.shape[first:], padding)
    if (axes := _if_global(call, data, first, covered)) is not None:
        divisor = call.arg("divisor_override", None) if how == "mean" else None
        return pool_by_weights(call, data, axes, 1 / divisor) if divisor else pool(call, data, axes, how)
    windows = [
        Window(kernel, call.stride[i], call.dilation[i], padding[i], call.shape[first + i])
        for i, kernel in enumerate(call.kernel)
    ]
    views = tuple(_windowed_each(v, data.shape, windows, covered, how) for v in data.views)
    views = as_of_a_map(views, data, range(first, first + n))
    slides = any(
        (k, s) != (1, 1) for k, s, is_whole in zip(call.kernel, call.stride, covered, strict=True) if not is_whole
    )
    return views, fresh(data.flow, whole=None if slides else _step_of_a_global_pool(call, first))


def _note_maximum(call: Call, data: Value, first: int) -> None:
    """Tag a pooling that takes, or may take, the maximum over places of a map."""
    axes = {first + i for i, k in enumerate(call.kernel) if k > 1}
    views = [v for v in data.views if v is not None]
    if any(v.unknown or v.blurred or any(d.axis in axes for d in v.digits) for v in views):
        call.tags.add("max_pool")
    elif axes and are_places(data, axes):
        call.tags.add("picks")


def _covered(call: Call, sizes: Shape, padding: Sequence[int]) -> list[bool]:
    """The axes along which the single window of the pooling covers the whole map.

    A padded window over a map of one unit does not count: it may be any pooling on an input that is too small.
    """
    rows = zip(call.kernel, sizes, padding, call.shape[-len(sizes) :], strict=True)
    return [out == 1 and kernel - pad >= size and (size > 1 or not pad) for kernel, size, pad, out in rows]


def _if_global(call: Call, data: Value, first: int, covered: Sequence[bool]) -> Sequence[int] | None:
    """The axes that a pooling reduces to one unit, if no other axis changes or is an axis of the map; else None."""
    gone = [first + i for i, is_whole in enumerate(covered) if is_whole]
    kept = [first + i for i, is_whole in enumerate(covered) if not is_whole]
    of_map = {axis for v in data.views if v is not None for axis in v.axes}
    is_global = gone and of_map.isdisjoint(kept) and all(call.shape[a] == data.shape[a] for a in kept)
    return gone if is_global and all(call.kernel[a - first] == 1 for a in kept) else None


def _windowed_each(
    view: View | None, shape: Shape, windows: Sequence[Window], covered: Sequence[bool], how: str
) -> View | None:
    """The view after windows along the last axes, some of which cover their axis."""
    for axis, (window, is_whole) in enumerate(zip(windows, covered, strict=True), len(shape) - len(windows)):
        view = _marked(windowed(view, axis, shape, window), view, axis, how if is_whole and shape[axis] > 1 else "")
    return view


def adaptive_pool(call: Call) -> Result:
    """Adaptive pooling, average or maximum."""
    data, sizes = call.inputs[0], call.arg("output_size")
    n, how = len(sizes), "max" if "max" in call.op else "mean"
    first = len(data.shape) - n
    call.kernel = tuple(-(-size // out) for size, out in zip(data.shape[first:], call.shape[first:], strict=True))
    if how == "max":
        _note_maximum(call, data, first)
    if (axes := _if_global(call, data, first, [s == 1 for s in call.shape[first:]])) is not None:
        return pool(call, data, axes, how)
    views = data.views
    for axis in range(first, first + n):
        whole = how if call.shape[axis] == 1 < data.shape[axis] else ""
        views = tuple(_marked(adaptive_pooled(v, axis, data.shape, call.shape[axis]), v, axis, whole) for v in views)
    return as_of_a_map(views, data, range(first, first + n)), fresh(
        data.flow, whole=_step_of_a_global_pool(call, first)
    )


def _marked(view: View | None, before: View | None, axis: int, whole: str) -> View | None:
    """The view, marked as pooled over all units of an axis."""
    if view is None or before is None or not whole or [d.axis for d in view.digits] != [axis]:
        return view
    return view._replace(pooled="other" if before.left_out > 0 else whole, taken=before.taken)


def _step_of_a_global_pool(call: Call, first: int) -> Value | None:
    """The map before a pooling that leaves one unit along some axes and changes nothing along the others."""
    data = call.inputs[0]
    sizes = [(call.shape[axis], data.shape[axis]) for axis in range(first, len(data.shape))]
    is_step = all(after in (1, before) for after, before in sizes) and any(after < before for after, before in sizes)
    return (data.flow.whole or data) if is_step else None


def padding(call: Call) -> Result:
    """Padding of the last axes, with any values; a negative amount crops."""
    data, amounts = _cropped(call.inputs[0], _amounts(call))
    if (parts := _padded_parts(call, data, amounts)) is not None:
        views, flow, call.parts[0] = assembled(parts, call.shape)
        return views, fresh(flow)
    views = data.views
    for i in range(len(amounts) // 2):
        axis = len(data.shape) - 1 - i
        before, size = amounts[2 * i], call.shape[axis]
        if amounts[2 * i] or amounts[2 * i + 1]:
            views = tuple(shifted(v, axis, data.shape, before, size) for v in views)
    if data.parts and not any(amounts):  # it crops only
        call.parts[0] = data.parts
    return views, fresh(data.flow)


def _cropped(data: Value, amounts: Sequence[int]) -> tuple[Value, Sequence[int]]:
    """The tensor after the crops of negative amounts, and the amounts without these."""
    for i in range(len(amounts) // 2):
        axis = len(data.shape) - 1 - i
        before, after = (max(-amount, 0) for amount in amounts[2 * i : 2 * i + 2])
        size = data.shape[axis] - before - after
        if (before or after) and size > 0:
            views, flow, parts = cut_views(data, Cut(axis, before, 1, size))
            shape = tuple(size if a == axis else n for a, n in enumerate(data.shape))
            data = replace(data, views=views, flow=flow, parts=parts, shape=shape)
    return data, [max(amount, 0) for amount in amounts]


def _padded_parts(call: Call, data: Value, amounts: Sequence[int]) -> list[Part] | None:
    """The parts of a tensor after a padding of an axis that they divide, if that counts no places; else None."""
    n = len(data.shape)
    ends = {n - 1 - i: (amounts[2 * i], amounts[2 * i + 1]) for i in range(len(amounts) // 2)}
    touched = {axis for part in no_places(data) for axis in part.region} & {a for a, (b, c) in ends.items() if b or c}
    if not touched:
        return None
    return [_padded(part, data.shape, ends, touched, call) for part in data.parts]


def _padded(part: Part, shape: Shape, ends: Mapping[int, tuple[int, int]], moved: Collection[int], call: Call) -> Part:
    """A part after the padding: moved along the axes ``moved``, with a border along others."""
    region, views = dict(part.region), part.views
    for axis, (before, after) in ends.items():
        if axis in moved:
            own = region.get(axis, range(shape[axis]))
            region[axis] = range(own.start + before, own.stop + before, own.step)
        elif before or after:
            size = tuple(len(region.get(a, range(m))) for a, m in enumerate(shape))
            views = tuple(shifted(v, axis, size, before, call.shape[axis]) for v in views)
    return Part(region, views, part.flow)


def padded_axes(call: Call) -> int:
    """The number of last axes up to the first one that a padding changes."""
    return max((i // 2 + 1 for i, amount in enumerate(_amounts(call)) if amount), default=0)


def _amounts(call: Call) -> list[int]:
    return list(call.arg("pad" if "pad" in call.names else "padding"))


def pooled_axes(call: Call) -> int:
    """The number of last axes that an adaptive pooling mixes, as its name says."""
    return int(call.op.split("pool")[1][0])


def each(value: int | Sequence[int], n: int) -> tuple[int, ...]:
    """An argument as one number for each of ``n`` axes."""
    if isinstance(value, int):
        return (value,) * n
    return tuple(value) * n if len(value) == 1 else tuple(value)
