"""A form's networks as paths: places between layers, and what leads from each to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nas.space.counting.tracked_metrics import TrackedMetrics
from nas.space.layer_tables import Slot

FIRST, LAST = 0, 1 << 10
"""``Place.layer`` before a stage's first layer, and before its last."""


class Place(NamedTuple):
    """A point of a path, before layer ``layer`` of stage ``stage``; places sort in the order of paths."""

    stage: int
    """From 1; one more than the number of stages before the head, two more behind it, 0 before everything."""
    layer: int
    width: int
    """Index of the stage's width."""
    kind: int = 0
    """Index of a residual that differs from the others in some metric."""


class Word(NamedTuple):
    """Layers that do the same: ``times`` of them."""

    adds: tuple[int, ...]
    """Levels of the small metrics."""
    event: int
    units: tuple[int, ...]
    """Of the large metrics."""
    times: int


@dataclass(frozen=True, kw_only=True)
class Edge:
    """The layers that lead from one place to another."""

    source: Place
    target: Place
    words: tuple[Word, ...]


class Chain:
    """All networks of one form, as paths from ``start`` to ``end``."""

    def __init__(self, tracked: TrackedMetrics) -> None:
        """Cheap; the edges are made when they are first used."""
        self.tracked = tracked
        self.space = tracked.vector.space
        self.slots = {(s.stage, s.layer): s for s in tracked.vector.tables.slots}
        self.start = Place(0, FIRST, 0)
        self.end = Place(len(self.space.stages) + 2, FIRST, 0)

    @cached_property
    def edges(self) -> dict[Place, list[Edge]]:
        """By source, in the order of paths."""
        found: dict[Place, list[Edge]] = {}
        for edge in self._edges():
            found.setdefault(edge.source, []).append(edge)
        return dict(sorted(found.items()))

    def _edges(self) -> Iterator[Edge]:
        nothing = Word((0,) * len(self.tracked.small), 0, (0,) * len(self.tracked.large), 1)
        for width in range(len(self.space.parameters["c1.width"])):
            yield Edge(source=self.start, target=Place(1, FIRST, width), words=(nothing,))
        for number in range(1, len(self.space.stages) + 1):
            for width in range(len(self.space.parameters[f"c{number}.width"])):
                yield from self._stage(number, width)
        head = self.slots[len(self.space.stages) + 1, 0]
        for width in range(head.events.shape[1]):
            source = Place(head.stage, FIRST, width)
            yield Edge(source=source, target=self.end, words=self._words(head, width, 0))

    def _stage(self, number: int, width: int) -> Iterator[Edge]:
        last = self.slots[number, 0]
        before_last = Place(number, LAST, width)
        for kind, times in self._kinds(number):
            source = Place(number, FIRST, width)
            for layer in range(1, max(self.space.stages[number - 1].depth)):
                slot = self.slots[number, layer]
                words = self._words(slot, width, min(kind, slot.events.shape[2] - 1))
                if share := self._ends(number, layer, kind, times):
                    ending = tuple(w._replace(times=w.times * share) for w in words)
                    yield Edge(source=source, target=before_last, words=ending)
                target = Place(number, layer + 1, width, kind)
                if layer + 1 < max(self.space.stages[number - 1].depth):
                    yield Edge(source=source, target=target, words=words)
                source = target
        for after in range(last.events.shape[2]):
            words = self._words(last, width, after)
            yield Edge(source=before_last, target=Place(number + 1, FIRST, after), words=words)

    def _words(self, slot: Slot, first: int, second: int) -> tuple[Word, ...]:
        """The layers of a slot at given widths, those that do the same together."""
        at = self.tracked.form, first, second
        layers = range(slot.events.shape[-1] - (slot.layer > 0))  # the word after the last means no layer
        is_head = slot.stage > len(self.space.stages)
        found = Counter(
            (
                tuple(f.levels(int(slot.figures[f.name][*at, i])) for f in self.tracked.small),
                int(slot.events[*at, i]),
                tuple(f.units(int(slot.figures[f.name][*at, i]), is_head=is_head) for f in self.tracked.large),
            )
            for i in layers
        )
        return tuple(Word(*key, times) for key, times in found.items())

    def _kinds(self, number: int) -> list[tuple[int, int]]:
        """Residuals of a stage that differ in a tracked metric, and how many are equivalent to each."""
        bodies = [s for (stage, j), s in self.slots.items() if stage == number and j and s.events.shape[2] > 1]
        if not bodies:
            return [(0, len(self.space.stages[number - 1].residual))]
        body, form = bodies[0], self.tracked.form
        tables = [body.events[form], *(body.figures[name][form] for name in self.tracked.names)]
        looks = [tuple(t[:, r].tobytes() for t in tables) for r in range(body.events.shape[2])]
        return [(looks.index(look), times) for look, times in Counter(looks).items()]

    def _ends(self, number: int, body: int, kind: int, times: int) -> int:
        """How many networks end a stage after so many body layers: none, or one for each of the equivalent residuals.

        The stem is never residual, so alone it makes one.
        """
        if body + 1 not in self.space.stages[number - 1].depth:
            return 0
        return int(kind == 0) if (number, body) == (1, 1) else times
