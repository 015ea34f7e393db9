"""Read the structure of a network off its recorded calls: stages, pairs, pools, the map that is judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from constraints.tracing.values import Call, Head, Key, Path, Value


def distinct(calls: Iterable[Call]) -> list[Call]:
    """The first call of each layer."""
    return list({c.key: c for c in reversed(list(calls))}.values())[::-1]


def separable_pairs(calls: Iterable[Call]) -> tuple[set[Key], dict[Key, set[Key]]]:
    """Depthwise layers that reach a pointwise one, and for each pointwise layer the depthwise ones it ends."""
    ends: dict[Key, set[Key]] = {}
    for call in calls:
        if call.pairs:
            ends.setdefault(call.key, set()).update(call.pairs)
    return set().union(*ends.values()), ends


def main_path(outputs: Iterable[Value]) -> list[Call]:
    """The convolutions of the deepest chain from input to output, first to last, each layer once."""
    paths = [v.flow.path for v in outputs if v.flow.path is not None]
    path: Path | None = max(paths, key=lambda p: p[:2], default=None)
    calls = []
    while path is not None:
        calls.append(path.call)
        path = path.before
    return distinct(reversed(calls))


def stages(path: Sequence[Call], ends: dict[Key, set[Key]]) -> list[int]:
    """How many convolutions each stage of the main path holds, a depthwise-separable pair as one."""
    closing = [c for c in path if c.is_strided] or [c for c in path if c.is_dilated]
    last = {c.key for c in closing}
    on_path = {c.key for c in path}
    counts, has_spatial = [0], [False]
    for call in path:
        if not ends.get(call.key, set()) & on_path:
            counts[-1] += 1
        has_spatial[-1] = has_spatial[-1] or call.is_spatial
        if call.key in last:
            counts.append(0)
            has_spatial.append(False)
    if not has_spatial[-1]:
        counts.pop()
    return counts


def global_pools(outputs: Iterable[Value]) -> list[Head]:
    """The global poolings that reach an output without passing through a gate, in the order of the calls."""
    heads = {h for v in outputs for h in v.flow.heads if h.map is not None}
    return sorted(heads, key=lambda h: h.call.index)


def linear_heads(outputs: Iterable[Value]) -> list[Call]:
    """The linear layers between a global pooling and an output."""
    return distinct(
        sorted({h.call for v in outputs for h in v.flow.heads if h.kind == "linear"}, key=lambda c: c.index)
    )


def judged_map(outputs: Sequence[Value]) -> Value | None:
    """The last map before global pooling; where nothing is pooled globally, the last with all its spatial axes.

    It is the one that the outputs come from: where what an output sees is not known, or was not on its way to it, no
    earlier map is judged in its place.
    """
    lost = next((m for v in outputs if (m := _judged_for(v)) is not None and is_unknown(m)), None)
    return lost or _latest(outputs)


def _judged_for(output: Value) -> Value | None:
    maps = [h.map for h in global_pools([output]) if h.is_last and h.map is not None and is_unknown(h.map)]
    judged = maps[0] if maps else _latest([output])
    return output if is_unknown(output) and not (judged is not None and is_unknown(judged)) else judged


def _latest(outputs: Sequence[Value]) -> Value | None:
    pools = [h for h in global_pools(outputs) if h.is_last and h.kind in ("mean", "max", "sum")]
    if pools:
        return pools[-1].map
    maps = [v.flow.map for v in outputs if v.flow.map is not None]
    return max(maps, key=lambda m: m.index, default=None)


def is_unknown(value: Value) -> bool:
    """Whether what it sees is unknown along some axis."""
    return any(v is not None and bool(v.unknown or v.blurred) for v in value.views)
