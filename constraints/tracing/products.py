"""The rules of matrix products: linear layers, whose weights are one factor, and products of two tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from constraints.tracing.attention import Side, limited, matched
from constraints.tracing.calls import Result
from constraints.tracing.flows import fresh
from constraints.tracing.handles import Handle
from constraints.tracing.joining import reduced
from constraints.tracing.layouts import moved, without
from constraints.tracing.left_out import remade
from constraints.tracing.mixing import broadcast, combined, pointwise
from constraints.tracing.pooling import pool_by_weights
from constraints.tracing.values import Call, Head, Value, Views


def operands(call: Call) -> tuple[Value, Value]:
    """The two tensors that a matrix product multiplies, by their names in its schema."""
    for left, right in _OPERANDS:
        if left in call.names and right in call.names:
            sides = call.arg(left), call.arg(right)
            if isinstance(sides[0], Handle) and isinstance(sides[1], Handle) and sides[0].value and sides[1].value:
                return sides[0].value, sides[1].value
    return call.inputs[-2], call.inputs[-1]


_OPERANDS = (
    ("mat1", "mat2"), ("batch1", "batch2"), ("mat", "vec"), ("self", "mat2"), ("self", "vec"), ("self", "tensor"),
)  # fmt: skip


def product_macs(call: Call) -> None:
    """MACs of a matrix product: per element of the result, one for each term of its sum."""
    a, _ = operands(call)
    terms = a.shape[-1] * (a.shape[0] if call.op == "addbmm" else 1)
    call.macs = math.prod(call.shape) * terms


def product(call: Call) -> Result:
    """Matrix products: mm, addmm, bmm, baddbmm, mv, dot, with a summand or without."""
    product_macs(call)
    a, b = operands(call)
    call.label = "linear" if a.is_weight != b.is_weight and a.depends != b.depends else "matmul"
    summand = next(
        (v for v in call.inputs[:1] if v is not a and v.depends and call.op.startswith(("add", "badd"))), None
    )
    if not (a.depends or b.depends):
        return pointwise(call.changed(inputs=[summand] if summand else call.inputs))
    if call.op == "addbmm":
        a, b = (replace(v, shape=v.shape[1:], views=_batch_summed(v)) for v in (a, b))
    views, flow = _multiplied(call, a, b)
    if "limited" in call.tags:
        views = limited(views)
    if summand is None:
        return views, flow
    data = [Value(call.shape, views, flow, None), summand]
    return combined(call, data, [views, broadcast(summand.views, summand.shape, call.shape)])


def distances(call: Call) -> Result:
    """Distances of all pairs of rows of two tensors, which cost and see what the product of the two does."""
    distance_macs(call)
    a, b = call.inputs[:2]
    order = [*range(len(b.shape) - 2), len(b.shape) - 1, len(b.shape) - 2]
    turned = replace(b, shape=tuple(b.shape[i] for i in order), views=tuple(moved(v, order) for v in b.views))
    return _multiplied(call, a, turned)


def distance_macs(call: Call) -> None:
    """MACs of distances: per pair of rows, one for each of their elements."""
    call.macs = math.prod(call.shape) * call.inputs[0].shape[-1]


def _batch_summed(value: Value) -> Views:
    axes = without([0], len(value.shape))
    return tuple(moved(reduced(v, [0], "mixed"), axes) for v in value.views)


def _multiplied(call: Call, a: Value, b: Value) -> Result:
    left, right = len(a.shape) - 1, max(len(b.shape) - 2, 0)
    n = len(call.shape)
    parts: list[Side] = []
    if a.depends:
        axes = [*range(left), None] if n >= len(a.shape) - 1 else [None] * (left + 1)
        parts.append((a, left, axes))
    if b.depends:
        batch = list(range(right))
        parts.append((b, right, [*batch, None, n - 1] if len(b.shape) > 1 else [None]))
    if len(parts) == 1:
        return _weighted(call, b if a.depends else a, *parts[0])
    return matched(parts)


def _weighted(call: Call, weight: Value, value: Value, axis: int, axes: Sequence[int | None]) -> Result:
    """A product with weights: a linear layer over the axis that is summed."""
    over_space = any(v is not None and any(d.axis == axis for d in v.digits) for v in value.views)
    number = weight.number if over_space else None
    if number and not math.isnan(number):
        views, flow = pool_by_weights(call, value, [axis], number * call.arg("alpha", 1))
        return tuple(moved(v, axes) for v in views), flow
    if number:
        call.tags.add("averages")
    views = tuple(remade(moved(reduced(v, [axis], "mixed"), axes)) for v in value.views)
    flow = value.flow
    if value.is_live and not over_space and flow.depthwise:
        call.pairs = flow.depthwise
    heads = flow.heads
    if call.label == "linear" and any(not h.left_out for h in heads):
        heads = heads | {Head("linear", call)}
    return views, fresh(flow, heads=heads)
