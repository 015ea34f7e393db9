"""The rules of ``F.unfold`` and ``F.fold``: windows to columns, and columns back to pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from constraints.receptive_field import Field, transposed
from constraints.tracing.axes import Digit, Shape, View, Window, normal
from constraints.tracing.calls import Result
from constraints.tracing.flows import fresh
from constraints.tracing.joining import blurred, reduced
from constraints.tracing.sliding import plain
from constraints.tracing.values import Call
from constraints.tracing.windows import each


def unfolded(call: Call) -> Result:
    """im2col: each window's elements become channels; the windows become one axis."""
    data = call.inputs[0]
    kernel, stride = each(call.arg("kernel_size"), 2), each(call.arg("stride"), 2)
    dilation, pad = each(call.arg("dilation"), 2), each(call.arg("padding"), 2)
    height, width = data.shape[-2:]
    rows, columns = (
        (size + 2 * pad[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i, size in enumerate((height, width))
    )
    last, places = len(call.shape) - 1, {}
    for i, (tap, inner, count) in enumerate(((kernel[1], columns, rows), (1, 1, columns))):
        within, window = Digit(last - 1, tap, kernel[i], dilation[i]), Digit(last, inner, count, stride[i])
        places[len(data.shape) - 2 + i] = within, window, pad[i]
    views = tuple(_in_columns(reduced(v, [len(data.shape) - 3]), data.shape, places) for v in data.views)
    call.kernel, call.stride, call.dilation = kernel, stride, dilation
    return views, fresh(data.flow)


def _in_columns(view: View | None, shape: Shape, places: Mapping[int, tuple[Digit, Digit, int]]) -> View | None:
    """The view in columns. ``places`` has, for each axis that windows slide over, the digits of the index within a
    window and of the windows, and the padding; their strides count along the axis."""
    for axis in places:
        view = plain(view, axis, shape)
    if view is None or not view.digits:
        return view
    field, digits = view.field, []
    for d in view.digits:
        if d.axis not in places:
            digits.append(d)
            continue
        within, window, padding = places[d.axis]
        field = field.window(1, 1, -padding * d.stride)
        digits += [part._replace(stride=part.stride * d.stride) for part in (within, window)]
    return normal(view._replace(field=field, digits=tuple(digits)))


def folded(call: Call) -> Result:
    """col2im, the reverse of unfolded: each pixel is the sum of its elements in all windows that contain it."""
    data, sizes = call.inputs[0], call.shape[-2:]
    kernel, stride, dilation, padding = (
        each(call.arg(name), 2) for name in ("kernel_size", "stride", "dilation", "padding")
    )
    call.kernel, call.stride, call.dilation = kernel, stride, dilation
    rows, columns = (
        (size + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i, size in enumerate(sizes)
    )
    at, last = len(data.shape) - 1, len(call.shape) - 1
    folds = []
    for i, (within, inner, count) in enumerate(((kernel[1], columns, rows), (1, 1, columns))):
        window = Window(kernel[i], stride[i], dilation[i], padding[i], sizes[i])
        folds.append((Digit(at - 1, within, kernel[i], 0), Digit(at, inner, count, 0), last - 1 + i, window))
    return tuple(_from_columns(v, folds) for v in data.views), fresh(data.flow)


def _from_columns(view: View | None, folds: Sequence[tuple[Digit, Digit, int, Window]]) -> View | None:
    """The view of pixels. Each fold has the digits of the index in a window and of the windows, and the axis."""
    if view is None or not view.digits:
        return view
    for within, over, axis, window in folds:
        strides = {d[:3]: d.stride for d in view.digits if d.offset == 0}
        tap, step = strides.pop(within[:3], None), strides.pop(over[:3], None)
        field = None if strides or view.digits[0].offset else _onto_pixels(view.field, tap, step, window)
        if field is not None:
            return normal(view._replace(field=field, digits=(Digit(axis, 1, window.size, 1),)))
    columns = (folds[0][0].axis, folds[0][1].axis)
    return blurred(view, columns, "a fold of what is not laid out in its windows")


def _onto_pixels(field: Field, tap: int | None, step: int | None, window: Window) -> Field | None:
    """The field of pixels. One index within a window moves the position by ``tap``, one window by ``step``; None if
    neither fits."""
    kernel, stride, dilation, padding, units = window
    if tap is None and step is not None and step > 0:
        return transposed(field.every(step), kernel, stride, dilation, padding, units=units)
    pace = (tap or 0) // dilation
    if pace < 1 or pace * dilation != tap or step not in (None, pace * stride):
        return None
    return field.window(1, 1, padding * pace).every(pace)
