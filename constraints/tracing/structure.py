"""Derive the structure of a network from its recorded calls: main path, separable pairs, pools, the map whose receptive
field is reported."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace

from constraints.stages import Place
from constraints.tracing.assembling import of_rows
from constraints.tracing.axes import View
from constraints.tracing.values import Call, Head, Key, Path, Value

_FLAT_AXES = 2
_NOT_GLOBAL = "so it is no global pool, and linear layers after it do not count in fully_connected"


def distinct(calls: Iterable[Call]) -> list[Call]:
    """The first call of each layer."""
    return list({c.key: c for c in reversed(list(calls))}.values())[::-1]


def separable_pairs(calls: Iterable[Call]) -> tuple[set[Key], dict[Key, set[Key]]]:
    """The depthwise layers that reach a pointwise one, and pointwise layer -> the depthwise ones that reach it."""
    ends: dict[Key, set[Key]] = {}
    for call in calls:
        if call.pairs:
            ends.setdefault(call.key, set()).update(call.pairs)
    return set().union(*ends.values()), ends


def main_path(outputs: Iterable[Value], ends: dict[Key, set[Key]]) -> tuple[Place, ...]:
    """The convolutions of the deepest chain from input to output, first to last, each layer once.

    ``ends`` is pointwise layer -> the depthwise layers that reach it: such a pair is one convolution.
    """
    paths = [v.flow.path for v in outputs if v.flow.path is not None]
    node: Path | None = max(paths, key=lambda p: p[:2], default=None)
    nodes: dict[Key, Path] = {}
    while node is not None:
        nodes.pop(node.call.key, None)  # the first call of a layer counts; the walk goes backwards
        nodes[node.call.key] = node
        node = node.before
    return tuple(_place(n, ends, nodes) for n in reversed(nodes.values()))


def _place(node: Path, ends: dict[Key, set[Key]], on_path: Container[Key]) -> Place:
    call = node.call
    return Place(
        counts=not any(key in on_path for key in ends.get(call.key, ())),
        is_spatial=call.is_spatial or node.is_dilated,
        is_strided=call.is_strided,
        is_dilated=node.is_dilated,
        name=call.name_or_label,
    )


def global_pools(outputs: Iterable[Value]) -> list[Head]:
    """The global poolings that reach an output without passing through a gate, in the order of the calls."""
    heads = {h for v in outputs for h in v.flow.heads if h.map is not None}
    return sorted(heads, key=lambda h: h.call.index)


def partial_pools(outputs: Iterable[Value], *, are_decided: bool) -> list[str]:
    """A sentence for each pooling that reaches an output but leaves out places of its map.

    What follows from that is said where the numbers of pools are known (``are_decided``): several poolings of parts
    may together be a global one.
    """
    found = []
    for head in global_pools(outputs):
        if cut := head.left_out:
            parts, where = " and ".join(map(str, cut)), "one axis" if len(cut) == 1 else "its axes"
            left_out = f"{head.call.name_and_label}: it leaves out a part of the map ({parts} places along {where})"
            found.append(f"{left_out}, {_NOT_GLOBAL}" if are_decided else left_out)
    return found


def linear_heads(outputs: Iterable[Value]) -> list[Call]:
    """The linear layers between a global pooling and an output."""
    return distinct(
        sorted({h.call for v in outputs for h in v.flow.heads if h.kind == "linear"}, key=lambda c: c.index)
    )


def judged_by_pool(outputs: Sequence[Value]) -> list[Head]:
    """The global poolings whose maps are candidates for the reported receptive field."""
    return [h for h in global_pools(outputs) if h.is_last and h.kind in ("mean", "max", "sum")]


def judged_map(outputs: Sequence[Value]) -> Value | None:
    """The last map before global pooling; where nothing is pooled globally, the last with all its spatial axes.

    It is the map that the outputs are computed from: if an output's field is unknown, or was unknown on the path to it,
    no earlier map is used instead.
    """
    lost = next((m for v in outputs if (m := _judged_for(v)) is not None and is_unknown(m)), None)
    found = lost or _latest(outputs)
    return replace(found, views=views) if found and (views := of_rows(found)) is not found.views else found


def _judged_for(output: Value) -> Value | None:
    maps = [h.map for h in global_pools([output]) if h.is_last and h.map is not None and is_unknown(h.map)]
    judged = maps[0] if maps else _latest([output])
    return output if is_unknown(output) and not (judged is not None and is_unknown(judged)) else judged


def _latest(outputs: Sequence[Value]) -> Value | None:
    pooled = [h.map for h in judged_by_pool(outputs) if h.map is not None]  # an auxiliary head may run last
    maps = pooled or [v.flow.map for v in outputs if v.flow.map is not None]
    return max(maps, key=lambda m: m.index, default=None)


def is_unknown(value: Value) -> bool:
    """Whether what it sees is unknown along some axis."""
    return any(v is not None and bool(v.unknown or v.blurred) for v in of_rows(value))


def spatial_views(value: Value | None, spans: Sequence[range]) -> list[View]:
    """The map's views along the axes of the first input that it depends on (one where it is still a map, if any)."""
    if value is None:
        return []
    found = [[v for i in span if (v := value.views[i]) is not None] for span in spans]
    dependent = [_along_the_map(views) for views in found if views]
    return next((views for views in dependent if any(v.digits for v in views)), dependent[0] if dependent else [])


def _along_the_map(views: list[View]) -> list[View]:
    """Without axes that were pooled or mixed before (frames merged into channels, say), if two or more are left.

    Without those of one unit that the tensor has no longer (frames that a kernel covers, then squeezed; one frame that
    was selected) too.
    """
    left = [v for v in views if v.digits or v.is_gone or v.is_lost or v.blurred]
    shown = [v for v in left if not v.is_gone]
    return next((found for found in (shown, left) if len(found) >= _FLAT_AXES), views)
