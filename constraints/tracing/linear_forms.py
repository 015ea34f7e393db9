"""Elementwise operations as sums of their operands, each with a constant coefficient; no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from constraints.tracing.handles import Handle
from constraints.tracing.values import Call, Value

_SAME = frozenset(["copy", "expand", "real", "positive", "clone", "_to_copy"])
LINEAR = _SAME | {"add", "sub", "rsub", "mul", "div", "neg", "addcmul", "addcdiv", "lerp", "ldexp", "true_divide"}
"""Operations that may be such sums."""
Operand = Value | float | None
Coefficient = float | None
"""0: the operation is not linear in this operand; None: its elements have different coefficients; NaN: one that cannot
be read."""


def coefficients(call: Call, data: Sequence[Value]) -> Sequence[Coefficient]:
    """The constant that each of the tensors ``data``, those that depend on an input, is multiplied by in a sum."""
    if call.op in _SAME:
        return [1.0] * len(data)
    if call.op not in LINEAR:
        return [0.0] * len(data)
    given = _operands(call)
    terms = _TERMS[call.op](call, given)
    found = [terms.get(name, 0.0) for name, v in given.items() if isinstance(v, Value) and v.depends]
    return found if len(found) == len(data) else [0.0] * len(data)


def _operands(call: Call) -> dict[str, Operand]:
    """The numbers and tensors among the arguments of a call, by their names."""
    tensors = iter(call.inputs)
    names = sorted(call.names, key=lambda name: call.names[name])
    given: dict[str, Any] = {**dict(zip(names, call.args, strict=False)), **call.kwargs}
    found: dict[str, Operand] = {}
    for name, arg in given.items():
        if isinstance(arg, Handle):
            found[name] = next(tensors, None)
        elif isinstance(arg, (int, float)) and not isinstance(arg, bool):
            found[name] = float(arg)
    return found


def _constant(operand: Operand) -> Coefficient:
    if isinstance(operand, Value):
        return None if operand.depends else operand.number
    return operand


def _product(*factors: Coefficient) -> Coefficient:
    return None if None in factors else math.prod(f for f in factors if f is not None)


def _inverse(number: Coefficient) -> Coefficient:
    return None if number is None else 1 / number if number else 0.0


Terms = Callable[[Call, Mapping[str, Operand]], Mapping[str, Coefficient]]


def _sum(sign: float, first: str = "self", second: str = "other") -> Terms:
    def terms(call: Call, _: Mapping[str, Operand]) -> Mapping[str, Coefficient]:
        return {first: 1.0, second: sign * call.arg("alpha", 1)}

    return terms


def _mul(_: Call, given: Mapping[str, Operand]) -> Mapping[str, Coefficient]:
    return {"self": _constant(given.get("other")), "other": _constant(given.get("self"))}


def _div(call: Call, given: Mapping[str, Operand]) -> Mapping[str, Coefficient]:
    return {"self": 0.0 if call.arg("rounding_mode", None) else _inverse(_constant(given.get("other")))}


def _neg(_: Call, __: Mapping[str, Operand]) -> Mapping[str, Coefficient]:
    return {"self": -1.0}


def _addcmul(call: Call, given: Mapping[str, Operand]) -> Mapping[str, Coefficient]:
    a, b, value = given.get("tensor1"), given.get("tensor2"), float(call.arg("value", 1))
    return {"self": 1.0, "tensor1": _product(value, _constant(b)), "tensor2": _product(value, _constant(a))}


def _addcdiv(call: Call, given: Mapping[str, Operand]) -> Mapping[str, Coefficient]:
    return {
        "self": 1.0,
        "tensor1": _product(float(call.arg("value", 1)), _inverse(_constant(given.get("tensor2")))),
    }


def _lerp(_: Call, given: Mapping[str, Operand]) -> Mapping[str, Coefficient]:
    weight = _constant(given.get("weight"))
    return {"self": None if weight is None else 1 - weight, "end": weight}


def _ldexp(_: Call, given: Mapping[str, Operand]) -> Mapping[str, Coefficient]:
    exponent = _constant(given.get("other"))
    return {"self": None if exponent is None else 2.0**exponent}


_TERMS: Mapping[str, Terms] = {
    "add": _sum(1), "sub": _sum(-1), "rsub": _sum(-1, "other", "self"), "mul": _mul, "div": _div, "true_divide": _div,
    "neg": _neg, "addcmul": _addcmul, "addcdiv": _addcdiv, "lerp": _lerp, "ldexp": _ldexp,
}  # fmt: skip
