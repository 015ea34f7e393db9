"""What tensors inherit from the calls that led to them: chains of convolutions, poolings, maps; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from constraints.tracing.calls import Call
    from constraints.tracing.values import Value

Key = tuple[object, ...]
"""What makes two calls the same layer."""


class Path(NamedTuple):
    """The deepest chain of convolutions that leads to a tensor, last one first."""

    spatial: int
    total: int
    call: Call
    before: Path | None
    dilated: int = 0
    """How many places of the chain are dilated."""

    @property
    def is_dilated(self) -> bool:
        """Whether its last place is: the call, or one of a branch beside it."""
        return self.dilated > (self.before.dilated if self.before else 0)


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A global pooling, or a linear layer after one, whose result reaches an output.

    That is: it was not only multiplied onto a map, as by a gate.
    """

    kind: str
    """"mean", "max" or "other" for a pooling; "linear"."""
    call: Call
    map: Value | None = None
    """The map that was pooled."""
    is_last: bool = True
    """Whether no map continues beside it (one does where a branch is pooled and concatenated)."""

    def inside(self) -> Head:
        """The same pooling, of a branch inside the network."""
        return replace(self, is_last=False) if self.is_last else self


class Flow(NamedTuple):
    """What a tensor inherits from the calls that led to it."""

    origin: object = None
    """Tensors of one origin are pointwise functions of one tensor (an activation written out, a norm by hand)."""
    depthwise: frozenset[Key] = frozenset()
    """Depthwise convolutions that nothing but norms, activations, concatenation and permutes followed."""
    path: Path | None = None
    heads: frozenset[Head] = frozenset()
    context: bool = False
    """Whether a gate or an attention brought in the whole map."""
    map: Value | None = None
    """The latest map with every spatial axis on a tensor axis of its own that this one was computed from."""
    whole: Value | None = None
    """The map of which some spatial axes have been pooled and others not yet."""
    total: int = 0
    """Over how many units a global sum was taken that is not divided yet."""
    poison: frozenset[str] = frozenset()
    """Why what led here cannot be known."""


def merge_flows(flows: list[Flow]) -> Flow:
    """What a tensor inherits that several tensors were joined into."""
    if len(flows) == 1:
        return flows[0]
    paths = [f.path for f in flows if f.path is not None]
    maps = [f.map for f in flows if f.map is not None]
    return Flow(
        origin=object(),
        path=_side_by_side(paths),
        heads=frozenset().union(*[f.heads for f in flows]),
        context=any(f.context for f in flows),
        map=max(maps, key=lambda m: m.index, default=None),
        poison=frozenset().union(*[f.poison for f in flows]),
    )


def _side_by_side(paths: Sequence[Path]) -> Path | None:
    """The deepest of chains that are joined; where a shorter one is dilated, counted from the end, so is its place."""
    deepest = max(paths, key=lambda p: p[:2], default=None)
    for other in paths:
        if deepest is not None and other is not deepest and other.dilated:
            deepest = _dilated_beside(deepest, other)
    return deepest


def _dilated_beside(main: Path, other: Path) -> Path:
    """The main chain, dilated also where the other one is, as far as the two are apart."""
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
    """The places of two chains behind their fork, first to last."""
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
    """A flow that goes through an operation that is neither pointwise nor a permutation."""
    kept = Flow(object(), frozenset(), flow.path, flow.heads, flow.context, flow.map, None, 0, flow.poison)
    return kept._replace(**changes) if changes else kept
