"""The rule of interpolation: nearest, linear and cubic resampling of each spatial axis."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial

from constraints.receptive_field import Field, interpolated
from constraints.tracing.axes import Digit, View
from constraints.tracing.calls import Result
from constraints.tracing.flows import fresh
from constraints.tracing.layouts import moved
from constraints.tracing.pooling import as_of_a_map
from constraints.tracing.sliding import resampled_axis
from constraints.tracing.values import Call


def interpolation(call: Call) -> Result:
    """Nearest, linear and cubic interpolation, antialiased or not."""
    data, name = call.inputs[0], call.op
    n = next(i for i in (1, 2, 3) if f"{i}d" in name)
    first, mode = len(data.shape) - n, _mode(name)
    align = bool(call.arg("align_corners", False)) if "align_corners" in call.names else False
    factors = [call.arg(s, None) for s in ("scales", "scales_d", "scales_h", "scales_w") if s in call.names]
    views = data.views
    for i in range(n):
        axis = first + i
        scale = _scale(data.shape[axis], call.shape[axis], align, factors[i] if factors else None)
        resize = partial(interpolated, scale=scale, mode=mode, align_corners=align, units=call.shape[axis])
        views = tuple(_resized(resampled_axis(v, axis, data.shape), axis, call, resize) for v in views)
    return as_of_a_map(views, data, range(first, first + n)), fresh(data.flow)


def _resized(view: View | None, axis: int, call: Call, resize: Callable[[Field], Field]) -> View | None:
    if view is None or not any(d.axis == axis for d in view.digits):
        return view
    if view.pooled and view.units == 1:  # of the whole map, as by a pool of each row: repeated, as by a broadcast
        return moved(view, [None if a == axis else a for a in range(len(call.shape))])
    return view._replace(field=resize(view.field), digits=(Digit(axis, 1, call.shape[axis], 1),), taken=None)


def _mode(op: str) -> str:
    if "nearest" in op:
        return "nearest-exact" if "exact" in op else "nearest"
    return ("cubic" if "bicubic" in op else "linear") + ("-aa" if op.endswith("_aa") else "")


def _scale(size: int, output: int, align_corners: bool, factor: float | None) -> Fraction:
    if align_corners:
        return Fraction(size - 1, output - 1) if output > 1 else Fraction(0)
    if factor:
        return 1 / Fraction(factor).limit_denominator(10_000)
    return Fraction(size, output)
