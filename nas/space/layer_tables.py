"""Tables of the metrics of every possible layer of a space; a network's metrics are their sums and maxima."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from nas.architecture.spec import Architecture, Block, HeadKind, Shape, Stage
from nas.space.analytic import Added, ChainMetrics, Greatest, body, combined, head
from nas.space.layer_blocks import layer_blocks
from nas.space.space import Space
from nas.space.stage_automaton import StageEvent, event
from nas.space.stage_space import Form, Residual

Array = npt.NDArray[np.int64]

ADDED, GREATEST = Added._fields, Greatest._fields

Key = tuple[int, int, int, int]
"""Form, first, second and word, as in ``Slot``."""
Cell = tuple[ChainMetrics, StageEvent, Architecture | None]


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A position in the chain of layers; its tables are indexed [form, first, second, word].

    ``first`` is its width; ``second`` is whether it is residual (body layer) or the next width (last layer of a stage).
    A layer beyond its stage's depth has the index after the last word.
    """

    stage: int
    """From 1; one more than the number of stages for the head."""
    layer: int
    """From 1; 0 for the last layer of a stage."""
    word: int
    """Column of its word in encoded candidates."""
    first: int
    second: int | None
    depth: int | None
    """Column of its stage's depth, if some depth leaves the layer out."""
    metrics: dict[str, Array]
    events: Array
    """Index of its event in ``Tables.events``."""
    chains: Mapping[Key, Architecture]
    """The layer as a network by itself, unless it is the head; equal layers of a space are one object."""


class Tables:
    """A space's slots in the order of the chain."""

    def __init__(self, space: Space) -> None:
        """Cheap; the slots are built on first use."""
        self.space = space
        self.events: list[StageEvent] = [StageEvent()]

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Every layer of every stage, in order, then the head."""
        return tuple(self._slots())

    def _slots(self) -> Iterator[Slot]:
        space = self.space
        for i, stage in enumerate(space.stages, start=1):
            for j in range(1, max(stage.depth)):
                yield self._body(i, j)
            yield self._last(i)
        yield self._head()

    def _body(self, i: int, j: int) -> Slot:
        space, stage = self.space, self.space.stages[i - 1]
        is_stem = (i, j) == (1, 1)
        words = stage.stem if is_stem else stage.body
        cells: dict[Key, Cell] = {}
        for f, form in enumerate(space.forms):
            for a, width in enumerate(stage.width.values()):
                out = space.scaled(width, form)
                for r, residual in enumerate([False] if is_stem else stage.residual):
                    for k, word in enumerate(words):
                        cells[f, a, r, k] = (
                            _metrics(space.stem(word, out, space.post), space.input, out, jump=1)
                            if is_stem
                            else self._layer(i, form, word, (out, out), residual=residual)
                        )
        return self._slot((i, j), (f"c{i}.layer{j}", f"c{i}.width", None if is_stem else f"c{i}.residual"), cells)

    def _last(self, i: int) -> Slot:
        space, stage = self.space, self.space.stages[i - 1]
        after = space.widths_after(i).values()
        following = f"c{i + 1}.width" if i < len(space.stages) else "last.width"
        cells: dict[Key, Cell] = {}
        for f, form in enumerate(space.forms):
            for a, width in enumerate(stage.width.values()):
                for b, out in enumerate(after):
                    ends = space.scaled(width, form), space.scaled(out, form)
                    for k, word in enumerate(stage.down):
                        cells[f, a, b, k] = self._layer(i, form, word, ends, last=True)
        return self._slot((i, 0), (f"c{i}.down", f"c{i}.width", following), cells)

    def _layer(
        self, i: int, form: Form, word: str, ends: tuple[int, int], *, residual: Residual = False, last: bool = False
    ) -> Cell:
        height, width, jump = self.space.map_size(i, form)
        stride, dilation = self.space.ending(i, form) if last else (1, None)
        return _layer_metrics(
            word,
            post=self.space.post,
            shape=(ends[0], height, width),
            out=ends[1],
            residual=residual,
            stride=stride,
            dilation=dilation,
            jump=jump,
        )

    def _head(self) -> Slot:
        space, n = self.space, len(self.space.stages)
        cells: dict[Key, Cell] = {}
        for f, form in enumerate(space.forms):
            height, width, _ = space.map_size(n + 1, form)
            for a, out in enumerate(space.last_width.values()):
                last_map = space.scaled(out, form), height, width
                for k, kind in enumerate(space.heads):
                    cells[f, a, 0, k] = _head_metrics(kind, last_map, space.classes, space.classifier())
        return self._slot((n + 1, 0), ("head", "last.width", None), cells)

    def _slot(self, at: tuple[int, int], names: tuple[str, str, str | None], cells: dict[Key, Cell]) -> Slot:
        stage, layer = at
        word, first, second = names
        shape = tuple(max(key[axis] for key in cells) + 1 for axis in range(4))
        shape = (*shape[:3], shape[3] + (layer > 0))
        values = np.zeros((len(ADDED) + len(GREATEST), *shape), dtype=np.int64)
        events = np.zeros(shape, dtype=np.int64)
        known = {e: index for index, e in enumerate(self.events)}
        for key, (found, what, _) in cells.items():
            values[:, *key] = (*found.added, *found.greatest)
            if what not in known:
                known[what] = len(self.events)
                self.events.append(what)
            events[key] = known[what]
        columns = self.space.columns
        may_be_absent = layer > min(self.space.stages[stage - 1].depth) - 1 if layer else False
        return Slot(
            stage=stage,
            layer=layer,
            word=columns[word],
            first=columns[first],
            second=columns[second] if second else None,
            depth=columns[f"c{stage}.depth"] if may_be_absent else None,
            metrics=dict(zip((*ADDED, *GREATEST), values, strict=True)),
            events=events,
            chains={key: chain for key, (_, _, chain) in cells.items() if chain is not None},
        )


@lru_cache(maxsize=1 << 17)
def _layer_metrics(
    word: str,
    *,
    post: tuple[str, str],
    shape: tuple[int, int, int],
    out: int,
    residual: Residual,
    stride: int,
    dilation: int | None,
    jump: int,
) -> Cell:
    blocks = layer_blocks(word, shape[0], out, post=post, residual=residual, stride=stride, dilation=dilation)
    return _metrics(blocks, shape, out, jump=jump)


def _metrics(blocks: Stage, shape: Shape, out: int, *, jump: int) -> Cell:
    """The metrics of a layer with an input map of ``shape`` whose places are ``jump`` image pixels apart."""
    chain = _chain(blocks, shape, out)
    found = body(chain)
    seen = found.added.receptive_field * jump
    return replace(found, added=found.added._replace(receptive_field=seen)), event(found.path), chain


def _chain(blocks: Stage, shape: Shape, out: int) -> Architecture:
    return Architecture(stages=(blocks,), head="gap", input=shape, classes=out)


def _head_metrics(kind: HeadKind, last_map: Shape, classes: int, classifier: Block) -> Cell:
    """The metrics of the head; for ``gap``, including the 1x1 convolution to the classes before the global pool."""
    if kind != "gap":
        return head(kind, last_map, classes), StageEvent(), None
    chain = _chain((classifier,), last_map, classes)
    found = combined(body(chain), head(kind, (classes, *last_map[1:]), classes))
    return found, event(found.path), chain
