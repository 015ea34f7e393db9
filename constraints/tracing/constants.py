"""Constants whose elements are all the same number: a product with one is a sum or a mean; no torch."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from constraints.tracing.axes import Shape
from constraints.tracing.values import Value

_NO_KWARGS: Mapping[str, Any] = {}
_GIVEN = {"full": 1, "full_like": 1, "new_full": 2, "fill": 1}
"""Operation -> the position of the fill value among its arguments."""
_ONES = ("ones", "ones_like", "new_ones")
_CALCULATED: Mapping[str, Callable[[float, float], float]] = {
    "mul": operator.mul, "div": operator.truediv, "add": operator.add, "sub": operator.sub,
    "clamp": max, "clamp_min": max, "clamp_max": min,
}  # fmt: skip
"""Operation -> its function of the fill value and another number."""
_SAME = ("clone", "_to_copy", "repeat", "copy", "detach", "mean", "amax", "amin")


def filled(
    op: str,
    args: Sequence[Any],
    inputs: Sequence[Value],
    shape: Shape = (),
    *,
    is_view: bool = False,
    named: Mapping[str, Any] = _NO_KWARGS,
) -> float | None:
    """The value of all elements of the constant that ``op`` makes; None where the elements may differ.

    ``shape`` is its shape, ``named`` are the keyword arguments of ``op``.
    """
    if op in _ONES:
        return 1.0
    if op in _GIVEN:
        return _number(args, _GIVEN[op])
    if len(inputs) != 1 or inputs[0].fill is None:
        return None
    fill = inputs[0].fill
    if is_view or op in _SAME:
        return fill
    if op == "sum":
        return fill * math.prod(inputs[0].shape) / max(math.prod(shape), 1)
    return None if named else _calculated(op, args, fill)  # named are a factor, and how a quotient is rounded


def _calculated(op: str, args: Sequence[Any], fill: float) -> float | None:
    number, calculated = _number(args, 1), _CALCULATED.get(op)
    if number is None or calculated is None or args[2:] or (op == "div" and not number):
        return None
    return calculated(fill, number)


def _number(args: Sequence[Any], at: int) -> float | None:
    return float(args[at]) if len(args) > at and isinstance(args[at], (int, float)) else None
