"""Merge the flows of joined tensors: chains of convolutions, poolings, maps; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from constraints.tracing.values import Flow, Path


def merge_flows(flows: list[Flow]) -> Flow:
    """The flow of a tensor that several tensors were joined into."""
    if len(flows) == 1:
        return flows[0]
    paths = [f.path for f in flows if f.path is not None]
    maps = [f.map for f in flows if f.map is not None]
    scales = {(f.total, f.scale) for f in flows}
    total, scale = scales.pop() if len(scales) == 1 else (0.0, 1.0)
    return Flow(
        origin=object(),
        path=_side_by_side(paths),
        heads=frozenset().union(*[f.heads for f in flows]),
        context=any(f.context for f in flows),
        map=max(maps, key=lambda m: m.index, default=None),
        total=total,
        poison=frozenset().union(*[f.poison for f in flows]),
        scale=scale,
        blended=next((f.blended for f in flows if f.blended), ""),
        pieced=frozenset().union(*[f.pieced for f in flows]),
    )


def _side_by_side(paths: Sequence[Path]) -> Path | None:
    """The deepest of the joined chains; a place counts as dilated where the same place, counted from the end, of a
    shorter chain is."""
    deepest = max(paths, key=lambda p: p[:2], default=None)
    for other in paths:
        if deepest is not None and other is not deepest and other.dilated:
            deepest = _dilated_beside(deepest, other)
    return deepest


def _dilated_beside(main: Path, other: Path) -> Path:
    """The main chain, also marked dilated where the other one is, after the point where the two fork."""
    own, beside = _apart(main, other)
    before = own[0].before if own else main
    theirs = [False] * max(0, len(own) - len(beside)) + [p.is_dilated for p in beside[-len(own) :]]
    is_dilated = [node.is_dilated or also for node, also in zip(own, theirs, strict=False)]
    if is_dilated == [node.is_dilated for node in own]:
        return main
    for node, dilated in zip(own, is_dilated, strict=True):
        before = Path(node.spatial, node.total, node.call, before, (before.dilated if before else 0) + dilated)
    assert before is not None
    return before


def _apart(one: Path, other: Path) -> tuple[list[Path], list[Path]]:
    """The places of two chains after their fork, first to last."""
    left: list[Path] = []
    right: list[Path] = []
    a: Path | None = one
    b: Path | None = other
    while a is not None or b is not None:
        if a is not None and b is not None and a.call is b.call and a.total == b.total:
            break
        if b is None or (a is not None and a.total >= b.total):
            assert a is not None
            left.append(a)
            a = a.before
        else:
            right.append(b)
            b = b.before
    return left[::-1], right[::-1]


def fresh(flow: Flow, **changes: Any) -> Flow:
    """The flow after an operation that is neither pointwise nor a permutation."""
    kept = Flow(object(), frozenset(), flow.path, flow.heads, flow.context, flow.map, None, 0, flow.poison)
    if flow.blended:
        changes["blended"] = flow.blended
    if flow.pieced:
        changes["pieced"] = flow.pieced
    return kept._replace(**changes) if changes else kept


def moved(flow: Flow) -> Flow:
    """The flow after elements were moved or left out, each of which is what it was."""
    return fresh(flow, total=flow.total, scale=flow.scale)
