"""Tensors that share memory: a write through one of them changes all; no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from constraints.tracing.assembling import assembled
from constraints.tracing.axes import Cut, Shape, unknown
from constraints.tracing.calls import Operation
from constraints.tracing.cutting import cuts
from constraints.tracing.flows import merge_flows
from constraints.tracing.handles import Handle, Memory
from constraints.tracing.parts import inserted, laid, overlaid
from constraints.tracing.recipes import place_of
from constraints.tracing.reshaping import order_of, permuted_views, reshape_views
from constraints.tracing.values import Call, Flow, Origin, Part, Region, Value

HIDDEN_WRITE = "copy_: a write through a view that is no slice"
_SAME = frozenset(["alias", "detach", "lift_fresh", "view", "_unsafe_view", "_reshape_alias", "expand"])
"""View operations that return the same elements in the same order if the shape is the same."""
_RESHAPES = frozenset([*_SAME, "unsqueeze", "squeeze"]) - {"expand"}


def shared(base: Handle, view: Handle, call: Call, operation: Operation | None, which: int) -> None:
    """Record that a tensor is a view of another: result ``which`` of ``call``."""
    if view is base:
        return
    if base.memory is None:
        base.memory, base.version = Memory(base), 0
    view.memory, view.base, view.made = base.memory, base, (call, operation, which)
    view.version = base.memory.version


def is_stale(handle: Handle) -> bool:
    """Whether the memory was written to through another tensor since the value was computed."""
    return handle.memory is not None and handle.version != handle.memory.version


def write(handle: Handle, value: Value) -> None:
    """Give a tensor a new value in place; the values of all that share its memory are recomputed when they are read."""
    memory = handle.memory
    if memory is None:
        handle.value = value
        return
    root = memory.root
    before = root.value
    memory.version += 1
    handle.value, handle.version = value, memory.version
    if handle is root or before is None:
        memory.parts, memory.writes = [], []
        return
    if not (value.depends or before.depends):
        memory.writes.append((place_of(_steps(handle)), value))
    parts = memory.parts or laid(before, {})
    new = _in_root(handle, laid(value, {}))
    memory.parts = _lost(parts, value, root.shape) if new is None else overlaid(parts, new)
    memory.written = value


def rebuilt(memory: Memory) -> Value:
    """The root's value after the writes to it."""
    root, written = memory.root, memory.written
    before = root.value
    assert before is not None
    assert written is not None
    views, flow, parts = assembled(memory.parts, before.shape)
    writes = memory.writes
    memory.parts, memory.writes = [], []
    storage = before.storage or written.storage
    params = before.params.union(*(value.params for _, value in writes))
    origin = Origin(("write", *(place for place, _ in writes)), [before, *(value for _, value in writes)])
    return Value(before.shape, views, flow, storage, written.index, params, parts, origin=origin)


def _steps(handle: Handle) -> Iterator[Call]:
    """The calls that made a view, from itself to the root."""
    while handle.base is not None and handle.made is not None:
        yield handle.made[0]
        handle = handle.base


def _lost(parts: Sequence[Part], value: Value, shape: Shape) -> list[Part]:
    """The root after a write to an unknown place."""
    views, flow, _ = assembled(parts, shape)
    both = tuple(
        unknown(HIDDEN_WRITE, old) if new is not None else old for old, new in zip(views, value.views, strict=True)
    )
    flows = [f for f in (flow, value.flow) if f.origin is not None]
    return [Part({}, both, merge_flows(flows) if flows else Flow())]


def _in_root(handle: Handle, parts: list[Part] | None) -> list[Part] | None:
    """The parts of a view as parts of the root; None where their places are unknown."""
    while handle.base is not None and handle.made is not None and parts is not None:
        call, _, which = handle.made
        parts = _in_base(call, which, parts, handle.shape, handle.base.shape)
        handle = handle.base
    return parts


def _in_base(call: Call, which: int, parts: list[Part], part: Shape, whole: Shape) -> list[Part] | None:
    op = call.op
    taken = cuts(call, whole)
    if taken is not None:
        return [_uncut(p, taken[which], len(whole)) for p in parts]
    if op in ("permute", "transpose", "t"):
        order = order_of(call, len(whole))
        back = [order.index(a) for a in range(len(order))]
        return [Part({order[a]: r for a, r in p.region.items()}, permuted_views(p.views, back), p.flow) for p in parts]
    if op in _SAME and part == whole:
        return parts
    if op in _RESHAPES:
        return _unreshaped(parts, part, whole)
    return None


def _uncut(part: Part, cut: Cut, n: int) -> Part:
    """A part of a slice or of a selected index as a part of its base, which has ``n`` axes."""
    indices = range(cut.start, cut.start + cut.size * cut.step, cut.step)
    if cut.is_select:
        region: dict[int, range] = {a + (a >= cut.axis): r for a, r in part.region.items()}
        return Part({**region, cut.axis: indices}, inserted(part.views, cut.axis, n), part.flow)
    inner = part.region.get(cut.axis)
    laid_at = indices if inner is None else indices[inner.start : inner.stop : inner.step]
    return Part({**part.region, cut.axis: laid_at}, part.views, part.flow)


def _unreshaped(parts: list[Part], part: Shape, whole: Shape) -> list[Part] | None:
    """Parts of a reshape as parts of its base, if no axis that the parts divide is split or merged."""
    found = []
    for p in parts:
        region: dict[int, range] = {}
        for axis, indices in p.region.items():
            same = [b for b, n in enumerate(whole) if n == part[axis] and _before(whole, b) == _before(part, axis)]
            if not same:
                return None
            region[same[0]] = indices
        sizes = [_sizes(part, p.region), _sizes(whole, region)]
        found.append(Part(region, reshape_views(p.views, *sizes), p.flow))
    return found


def _before(shape: Shape, axis: int) -> int:
    return math.prod(shape[:axis])


def _sizes(shape: Shape, region: Region) -> Shape:
    return tuple(len(region.get(a, range(n))) for a, n in enumerate(shape))
