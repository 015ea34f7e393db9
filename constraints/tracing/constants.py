"""Constants whose elements are all the same number: a product with one is a sum or a mean; no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from constraints.tracing.axes import Shape
from constraints.tracing.values import Value

_GIVEN = {"full": 1, "full_like": 1, "new_full": 2, "fill": 1}
"""Operation -> the position of the fill value among its arguments."""
_ONES = ("ones", "ones_like", "new_ones")
_SAME = ("clone", "_to_copy", "repeat", "copy", "detach", "mean", "amax", "amin")


def filled(
    op: str, args: Sequence[Any], inputs: Sequence[Value], shape: Shape = (), is_view: bool = False
) -> float | None:
    """The value of all elements of the constant that ``op`` makes; None where the elements may differ."""
    if op in _ONES:
        return 1.0
    if op in _GIVEN:
        return _number(args, _GIVEN[op])
    if len(inputs) != 1 or inputs[0].fill is None:
        return None
    return inputs[0].fill if is_view or op in _SAME else _scaled(op, args, inputs[0], inputs[0].fill, shape)


def _scaled(op: str, args: Sequence[Any], data: Value, fill: float, shape: Shape) -> float | None:
    if op == "sum":
        return fill * math.prod(data.shape) / max(math.prod(shape), 1)
    number = _number(args, 1)
    if number is None or op not in ("mul", "div") or (op == "div" and not number):
        return None
    return fill * number if op == "mul" else fill / number


def _number(args: Sequence[Any], at: int) -> float | None:
    return float(args[at]) if len(args) > at and isinstance(args[at], (int, float)) else None
