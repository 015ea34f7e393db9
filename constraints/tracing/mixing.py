"""The rules of operations that bring tensors or elements together: pointwise, reductions, products, attention."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from constraints.tracing.attention import Side, beside, is_scaling, matched
from constraints.tracing.axes import Shape, View, blurred, joined, moved, reduced, shifted, without
from constraints.tracing.values import Call, Flow, Head, Result, Value, Views, fresh, join_views, merge_flows


def pointwise(call: Call) -> Result:
    """An elementwise function of one tensor, or of several that are broadcast together."""
    data = [v for v in call.inputs if v.depends]
    if len(data) == 1:
        return _unary(call, data[0])
    rows = [_broadcast(v.views, v.shape, call.shape) for v in data]
    if call.op in ("maximum", "fmax") and _are_neighbours(*rows):
        call.tags.add("max_pool")
    if all(v.flow.origin is data[0].flow.origin for v in data):
        flow = data[0].flow._replace(depthwise=_union(v.flow.depthwise for v in data))
        return join_views(rows), flow
    return _combined(data, rows, call.shape)


def _are_neighbours(first: Views, second: Views) -> bool:
    """Whether two maps see fields of one size a step apart: the units of one map, sliced or rolled apart."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if any(a.digits != b.digits or a.field.size != b.field.size or a.jump != b.jump for a, b in pairs):
        return False
    return any(a.is_live and a.field.lo != b.field.lo for a, b in pairs)


def _unary(call: Call, value: Value) -> Result:
    views = _broadcast(value.views, value.shape, call.shape)
    if value.flow.total and call.op in ("div", "mul"):
        return views, _divided(call, value)
    return views, value.flow


def _divided(call: Call, value: Value) -> Flow:
    """A global sum divided by the number of its units is a global average."""
    factor, total = call.args[1], value.flow.total
    if not isinstance(factor, (int, float)) or not factor:
        return value.flow
    if not math.isclose(1 / factor if call.op == "mul" else factor, total, rel_tol=1e-6):
        return value.flow
    heads = {Head("mean", h.call, h.map) if h.kind == "sum" else h for h in value.flow.heads}
    return value.flow._replace(heads=frozenset(heads), total=0)


def _broadcast(views: Views, shape: Shape, out: Shape) -> Views:
    if shape == out:
        return views
    shift = len(out) - len(shape)
    axes = [None if n == 1 and out[i + shift] > 1 else i + shift for i, n in enumerate(shape)]
    return tuple(moved(v, axes) for v in views)


def _combined(data: list[Value], rows: list[Views], shape: Shape) -> Result:
    """Several tensors made one; a value of the whole map that scales or shifts a map adds nothing to its field."""
    found = [_scaled(column, data, shape) for column in zip(*rows, strict=True)]
    gates = set[int]().union(*(which for _, which, _ in found))
    mains = [i for i in range(len(data)) if i not in gates or data[i].is_local]
    flow = merge_flows([data[i].flow for i in mains])
    context = any(spans for _, _, spans in found) or any(not data[i].is_local for i in gates)
    flow = flow._replace(context=flow.context or context, depthwise=frozenset(), origin=object())
    return tuple(view for view, _, _ in found), flow


def _scaled(column: Sequence[View | None], data: list[Value], shape: Shape) -> tuple[View | None, set[int], bool]:
    """What elements see along one axis, which tensors are gates along it, and whether pairs span the map."""
    live = [v for v in column if v is not None and v.is_local]
    gates = {i for i, v in enumerate(column) if live and v is not None and is_scaling(v, data[i].shape, shape, live)}
    result: View | None = None
    spans = False
    for i, view in enumerate(column):
        if view is not None and i not in gates:
            result, pairs = beside(result, view)
            spans = spans or pairs
    return result, gates, spans


def normalisation(call: Call) -> Result:
    """Batch, layer, group and RMS normalisation: they scale and shift, and see nothing new by definition."""
    data = call.inputs[0]
    return data.views, data.flow


def concatenation(call: Call) -> Result:
    """Concatenation along an axis: other axes take the hull of what meets."""
    axis = call.arg("dim", 0) % len(call.shape)
    pieces = [v for v in call.inputs if v.shape != (0,)]
    if not any(v.depends for v in pieces):  # nothing but empty tensors, as where a detector found no object
        return pointwise(call)
    starts = [sum(p.shape[axis] for p in pieces[:i]) for i in range(len(pieces))]
    data = [(v, start) for v, start in zip(pieces, starts, strict=True) if v.depends]
    views = tuple(_along(i, data, axis, call.shape) for i in range(len(data[0][0].views)))
    flows = [v.flow for v, _ in data]
    flow = merge_flows(flows)
    return views, flow._replace(depthwise=_union(f.depthwise for f in flows), origin=object())


def _along(which: int, data: list[tuple[Value, int]], axis: int, shape: Shape) -> View | None:
    """One spatial axis through a concatenation along a tensor axis."""
    result: View | None = None
    spatial = [
        (piece, start)
        for piece, start in data
        if (v := piece.views[which]) is not None and any(d.axis == axis for d in v.digits)
    ]
    if spatial:
        return _pieced(which, data, spatial, axis, shape)
    for piece, _ in data:
        result = join_views([(result,), (piece.views[which],)])[0]
    return result


def _pieced(
    which: int, data: list[tuple[Value, int]], spatial: list[tuple[Value, int]], axis: int, shape: Shape
) -> View | None:
    """Pieces of one spatial axis side by side: the parts of one map, or a map with its border."""
    placed = []
    for piece, start in spatial:
        view = piece.views[which]
        if view is None:
            continue
        placed.append((piece.shape[axis], _placed(view, axis, piece.shape, start, shape)))
    size, main = max(placed, key=lambda p: p[0])
    others = [(n, v) for n, v in placed if v is not main and v != main]
    rest = [(p.shape[axis], v) for p, _ in data if all(p is not s for s, _ in spatial) and (v := p.views[which])]
    if sum(n for n, _ in others) * 2 >= size or any(v.digits or v.unknown or 2 * n >= size for n, v in rest):
        return _heap([v for _, v in (*placed, *rest)], axis)
    return main


def _heap(views: Sequence[View], axis: int) -> View | None:
    """Maps in a row that are not parts of one."""
    why = "a concatenation of different maps along a spatial axis"
    heaped: View | None = None
    for view in views:
        heaped = joined(heaped, blurred(view, [axis], why))
    return heaped


def _placed(view: View, axis: int, old: Shape, start: int, shape: Shape) -> View:
    """A piece's view at its place in the whole."""
    on = [d for d in view.digits if d.axis == axis]
    if len(on) == 1 and on[0].inner == 1 and on[0].size == old[axis]:
        return shifted(view, axis, old, start, shape[axis]) or view
    digits = tuple(d._replace(offset=d.offset + start) if d.axis == axis else d for d in view.digits)
    return view._replace(digits=digits)


def reduction(call: Call) -> Result:
    """Mean, sum, maximum, norm, ... over some axes or all of them."""
    data = call.inputs[0]
    n = len(data.shape)
    dims = call.arg("dim", None) if "dim" in call.names else None
    axes = range(n) if dims is None or dims == [] else [dims] if isinstance(dims, int) else dims
    how = {"mean": "mean", "sum": "sum", "amax": "max", "max": "max"}.get(call.op, "other")
    if how == "max" and _is_spatial_maximum(data, [a % n for a in axes]):
        call.tags.add("max_pool")
    views, flow = pool(call, data, [a % n for a in axes], how)
    if len(call.shape) == n:
        return views, flow
    gone = {a % n for a in axes}
    axes = without(gone, n)
    return tuple(moved(v, axes) for v in views), flow


def _is_spatial_maximum(data: Value, axes: Sequence[int]) -> bool:
    touched = [v for v in data.views if v is not None and any(d.axis in axes for d in v.digits)]
    again = any(v is not None and v.pooled == "max" for v in data.views)
    return bool(touched) and not again


def pool(call: Call, data: Value, axes: Iterable[int], how: str) -> Result:
    """Bring the elements of some axes together; where that ends the last spatial axis, it is a global pooling."""
    axes = set(axes)
    views = tuple(reduced(v, axes, how) for v in data.views)
    if views == data.views:
        return views, data.flow._replace(depthwise=frozenset())
    whole = data.flow.whole or data
    if any(v is not None and v.is_live for v in views):
        return views, fresh(data.flow, whole=whole)
    kinds = {v.pooled for v in views if v is not None}
    kind = kinds.pop() if len(kinds) == 1 else "other"
    flow = fresh(data.flow, heads=data.flow.heads | {Head(kind, call, whole)})
    return views, flow._replace(total=_units(whole) if kind == "sum" else 0)


def _units(whole: Value) -> int:
    per_axis = {d: d.size for v in whole.views if v is not None for d in v.digits}
    return math.prod({(d.axis, d.inner): n for d, n in per_axis.items()}.values())


def product(call: Call) -> Result:
    """Matrix products: mm, addmm, bmm, baddbmm, mv, dot."""
    a, b = call.inputs[-2], call.inputs[-1]
    inner = a.shape[-1]
    call.macs = math.prod(call.shape) * inner
    call.label = "linear" if "weighted" in call.tags and not (a.depends and b.depends) else "matmul"
    left, right = len(a.shape) - 1, max(len(b.shape) - 2, 0)
    n = len(call.shape)
    parts: list[Side] = []
    if a.depends:
        axes = [*range(left), None] if n >= len(a.shape) - 1 else [None] * (left + 1)
        parts.append((a, left, axes))
    if b.depends:
        batch = list(range(right))
        parts.append((b, right, [*batch, None, n - 1] if len(b.shape) > 1 else [None]))
    if not parts:
        return pointwise(call)
    if len(parts) == 1:
        return _weighted(call, *parts[0])
    return matched(parts)


def _weighted(call: Call, value: Value, axis: int, axes: Sequence[int | None]) -> Result:
    """A product with weights: a linear layer over the axis that is summed."""
    over_space = any(v is not None and any(d.axis == axis for d in v.digits) for v in value.views)
    views = tuple(moved(reduced(v, [axis], "mixed"), axes) for v in value.views)
    flow = value.flow
    if value.is_live and not over_space and flow.depthwise:
        call.pairs = flow.depthwise
    heads = flow.heads
    if heads and call.label == "linear":
        heads = heads | {Head("linear", call)}
    return views, fresh(flow, heads=heads)


def _union(several: Iterable[frozenset[tuple[object, ...]]]) -> frozenset[tuple[object, ...]]:
    return frozenset().union(*several)
