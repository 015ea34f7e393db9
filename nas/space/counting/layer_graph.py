"""The networks of one form as paths of a graph: the one place that says which layers can follow each other.

Size, ranges, listing and counts follow from the paths. What a layer adds is in the space's tables (``layer_tables``),
which walk over the same widths, residuals and words but know nothing of paths: the arithmetic is done once for every
layer. ``bulk_metrics`` judges encoded candidates by one look-up a layer, which is faster than to follow edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import add
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from nas.space.layer_tables import Array, Slot, Tables

FIRST, LAST = 1, 1 << 10
"""``Node.layer`` before a stage's first layer, and before its last."""

T = TypeVar("T")


class Node(NamedTuple):
    """A point of a path, before layer ``layer`` of stage ``stage``; nodes sort in the order of paths."""

    stage: int
    """From 1; one more than the number of stages before the head, two more behind it, 0 before everything."""
    layer: int
    width: int
    """Index of the stage's width."""
    residual: int = 0
    """Index of the stage's residual between its first layer and its last; 0 elsewhere."""


class Arrow(Protocol):
    """What leads from one node to another."""

    @property
    def source(self) -> Node:
        """Where it begins."""

    @property
    def target(self) -> Node:
        """Where it ends, which is after ``source``."""


ArrowT = TypeVar("ArrowT", bound=Arrow)


@dataclass(frozen=True, kw_only=True, eq=False)
class Edge:
    """The layers of a slot at given widths, one a word; each leads from ``source`` to ``target``."""

    source: Node
    target: Node
    slot: Slot | None
    """None before the first layer, where one edge a width adds nothing."""
    at: tuple[int, int, int]
    """[form, first, second] in the slot's tables."""
    chosen: tuple[tuple[int, int], ...] = ()
    """(column, value index) of encoded candidates that the edge decides beside the word of its layer."""

    @property
    def words(self) -> int:
        """Number of layers. The word behind the last of a body layer's tables means no layer."""
        return 1 if self.slot is None else self.slot.events.shape[-1] - (self.slot.layer > 0)

    def adds(self, name: str) -> Array:
        """(words,): what each layer adds to a metric of ADDED, or the value to which it raises one of GREATEST."""
        return np.zeros(1, dtype=np.int64) if self.slot is None else self.slot.metrics[name][self.at][: self.words]

    @property
    def events(self) -> Array:
        """(words,): index of what each layer does to the stages in ``Tables.events``."""
        return np.zeros(1, dtype=np.int64) if self.slot is None else self.slot.events[self.at][: self.words]


class LayerGraph:
    """All networks of one form, as paths from ``start`` to ``end``: each is one path with one word of each edge."""

    def __init__(self, tables: Tables, form: int) -> None:
        """Cheap; the edges are made when they are first used."""
        self.space, self.form = tables.space, form
        self._slots = {(s.stage, s.layer): s for s in tables.slots}
        self.start = Node(0, FIRST, 0)
        self.end = Node(len(self.space.stages) + 2, FIRST, 0)

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """In the order of paths."""
        return tuple(sorted(self._edges(), key=lambda edge: edge.source))

    @cached_property
    def size(self) -> int:
        """Number of networks."""
        return self._paths_to[self.end]

    @cached_property
    def sizes_by_depth(self) -> tuple[tuple[int, ...], ...]:
        """By stage, the number of networks with each of its depths."""
        sizes = [dict.fromkeys(stage.depth, 0) for stage in self.space.stages]
        for edge in self.edges:
            if edge.target.layer == LAST:
                networks = self._paths_to[edge.source] * edge.words * self._paths_from[edge.target]
                sizes[edge.target.stage - 1][edge.source.layer + 1] += networks
        return tuple(tuple(by_depth.values()) for by_depth in sizes)

    @cached_property
    def _paths_to(self) -> dict[Node, int]:
        return over_paths(self.edges, self.start, 1, lambda n, edge: n * edge.words, add)

    @cached_property
    def _paths_from(self) -> dict[Node, int]:
        return over_paths(self.edges, self.end, 1, lambda n, edge: n * edge.words, add, backwards=True)

    def _edges(self) -> Iterator[Edge]:
        columns, stages = self.space.columns, self.space.stages
        form = columns["form"], self.form
        for width in range(len(self.space.parameters["c1.width"])):
            chosen = form, (columns["c1.width"], width)
            yield Edge(source=self.start, target=Node(1, FIRST, width), slot=None, at=(0, 0, 0), chosen=chosen)
        yield from chain.from_iterable(self._stage(number) for number in range(1, len(stages) + 1))
        head = self._slots[len(stages) + 1, 0]
        for width in range(head.events.shape[1]):
            yield Edge(source=Node(head.stage, FIRST, width), target=self.end, slot=head, at=(self.form, width, 0))

    def _stage(self, number: int) -> Iterator[Edge]:
        last, stage = self._slots[number, 0], self.space.stages[number - 1]
        for width in range(last.events.shape[1]):
            for residual in range(len(stage.residual)):
                yield from self._body(number, width, residual)
            for after in range(last.events.shape[2]):
                yield Edge(
                    source=Node(number, LAST, width),
                    target=Node(number + 1, FIRST, after),
                    slot=last,
                    at=(self.form, width, after),
                    chosen=((last.second, after),) if last.second is not None else (),
                )

    def _body(self, number: int, width: int, residual: int) -> Iterator[Edge]:
        """The layers before the last of a stage. The stem is never residual, so alone it has one residual only."""
        depths, columns = self.space.stages[number - 1].depth, self.space.columns
        source = Node(number, FIRST, width)
        first: tuple[tuple[int, int], ...] = ((columns[f"c{number}.residual"], residual),)
        for layer in range(FIRST, max(depths)):
            slot = self._slots[number, layer]
            at = self.form, width, min(residual, slot.events.shape[2] - 1)
            if layer + 1 in depths and not (residual and (number, layer) == (1, FIRST)):
                depth = columns[f"c{number}.depth"], depths.index(layer + 1)
                ending = Node(number, LAST, width)
                yield Edge(source=source, target=ending, slot=slot, at=at, chosen=(*first, depth))
            if layer + 1 < max(depths):
                target = Node(number, layer + 1, width, residual)
                yield Edge(source=source, target=target, slot=slot, at=at, chosen=first)
                source, first = target, ()


def over_paths(
    arrows: Sequence[ArrowT],
    first: Node,
    value: T,
    extend: Callable[[T, ArrowT], T],
    join: Callable[[T, T], T],
    *,
    backwards: bool = False,
) -> dict[Node, T]:
    """For each node, what all paths from ``first`` to it come to; ``backwards`` those from it to ``first``.

    ``value`` is that of the empty path, ``extend`` that of paths with one more arrow, ``join`` that of paths that meet.
    To extend and then to join must be the same as to join and then to extend. ``arrows`` are in the order of paths.
    """
    found = {first: value}
    for arrow in reversed(arrows) if backwards else arrows:
        near, far = (arrow.target, arrow.source) if backwards else (arrow.source, arrow.target)
        extended = extend(found[near], arrow)
        found[far] = join(found[far], extended) if far in found else extended
    return found
