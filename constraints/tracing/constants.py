"""Constants whose elements are all the same number: a product with one is a sum or a mean; no torch."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from constraints.tracing.axes import Shape
from constraints.tracing.values import Value

_NO_KWARGS: Mapping[str, Any] = {}
_GIVEN = {"full": 1, "full_like": 1, "new_full": 2, "fill": 1}
"""Operation -> the position of the fill value among its arguments."""
_ONES = ("ones", "ones_like", "new_ones")
_ZEROS = ("zeros", "zeros_like", "new_zeros", "zero")
_CALCULATED: Mapping[str, Callable[[float, float], float]] = {
    "mul": operator.mul, "div": operator.truediv, "add": operator.add, "sub": operator.sub, "pow": math.pow,
    "clamp": max, "clamp_min": max, "clamp_max": min, "maximum": max, "minimum": min,
}  # fmt: skip
"""Operation -> its function of two numbers."""
_OF_ONE: Mapping[str, Callable[[float], float]] = {
    "neg": operator.neg, "abs": abs, "reciprocal": lambda n: 1 / n, "sqrt": math.sqrt, "rsqrt": lambda n: n**-0.5,
    "square": lambda n: n * n, "exp": math.exp, "exp2": lambda n: 2**n, "sigmoid": lambda n: 1 / (1 + math.exp(-n)),
}  # fmt: skip
"""Operation -> its function of one number."""
_MOST_OPERANDS = 2
_SAME = ("clone", "_to_copy", "repeat", "copy", "detach", "mean", "amax", "amin")


def filled(
    op: str,
    args: Sequence[Any],
    inputs: Sequence[Value],
    shape: Shape = (),
    *,
    is_view: bool = False,
    named: Mapping[str, Any] = _NO_KWARGS,
) -> float | Callable[[], float | None] | None:
    """The value of all elements of the constant that ``op`` makes; None where the elements may differ.

    It is a function that finds the value out where that of an input is. ``shape`` is the constant's shape, ``named``
    are the keyword arguments of ``op``.
    """
    if op in _ONES:
        return 1.0
    if op in _ZEROS:
        return 0.0
    if op in _GIVEN:
        return _number(args, _GIVEN[op])
    fills = [v.fill for v in inputs]
    if not fills or any(fill is None for fill in fills):
        return None
    if is_view and len(fills) == 1:
        return fills[0]
    found = partial(_worked_out, op, args, inputs, shape, named)
    return found if any(map(callable, fills)) else found()


def _worked_out(
    op: str, args: Sequence[Any], inputs: Sequence[Value], shape: Shape, named: Mapping[str, Any]
) -> float | None:
    numbers = [n for v in inputs if (n := v.number) is not None]
    if len(numbers) < len(inputs):
        return None
    if len(numbers) == 1:
        if op in _SAME:
            return numbers[0]
        if op == "sum":
            return numbers[0] * math.prod(inputs[0].shape) / max(math.prod(shape), 1)
        if op in ("_softmax", "softmax"):
            return 1 / inputs[0].shape[int(args[1])]
    return None if named else _calculated(op, args, numbers)  # named are a factor, and how a quotient is rounded


def _calculated(op: str, args: Sequence[Any], numbers: Sequence[float]) -> float | None:
    """A function of numbers; ``numbers`` are those of the tensors among its arguments."""
    left = iter(numbers)
    given = [float(a) if isinstance(a, (int, float)) else next(left, None) for a in args]
    operands = [n for n in given if n is not None]
    function: Callable[..., float] | None = _OF_ONE.get(op) if len(given) == 1 else _CALCULATED.get(op)
    if function is None or len(operands) < len(given) or len(given) > _MOST_OPERANDS:
        return None
    try:
        return float(function(*operands))
    except (ArithmeticError, ValueError, TypeError):  # TypeError for a complex result
        return None


def _number(args: Sequence[Any], at: int) -> float | None:
    return float(args[at]) if len(args) > at and isinstance(args[at], (int, float)) else None
