"""Where the parts of a tensor are after its channels were moved: by a permutation, a reshape, an index; no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from constraints.tracing.assembling import are_rows
from constraints.tracing.axes import Shape
from constraints.tracing.values import Part, Region, Value, Views

_MOST_PARTS = 256
"""Most parts that are followed; of more, a rearranged channel counts as any of them."""
Indices = npt.NDArray[np.intp]
Mover = Callable[[Views, Shape], Views]
"""The views of a part of the given shape after the operation."""


def differing(value: Value) -> tuple[Part, ...]:
    """The parts of a tensor, if they are channels (no places, no rows of the batch) that see different places."""
    parts = no_places(value)
    return () if parts and are_rows(parts, value.shape) else parts


def no_places(value: Value) -> tuple[Part, ...]:
    """The parts of a tensor, if they see different places and are no places of a map themselves."""
    if not value.parts or all(p.views == value.parts[0].views for p in value.parts) or 0 in value.shape:
        return ()
    touched = {axis for p in value.parts for axis in p.region}
    spatial = {axis for p in value.parts for v in p.views if v is not None for axis in v.axes}
    return value.parts if touched.isdisjoint(spatial) else ()


def differ(value: Value, maps: Sequence[int]) -> bool:
    """Whether channels or rows of a batch see different places of a map along the spatial axes ``maps``.

    The map itself may be put together of pieces, which are compared at the same places.
    """
    spatial = {axis for p in value.parts for v in p.views if v is not None for axis in v.axes}
    return any(
        any(a.views[i] != b.views[i] for i in maps) and _are_apart(a.region, b.region, spatial)
        for a, b in combinations(value.parts, 2)
    )


def _are_apart(a: Region, b: Region, spatial: AbstractSet[int]) -> bool:
    """Whether two regions are of other channels or rows, and have places in common."""
    others, both = (a.keys() | b.keys()) - spatial, a.keys() & b.keys() & spatial
    is_apart = any(a.get(axis) != b.get(axis) for axis in others)
    return is_apart and all(not set(a[axis]).isdisjoint(b[axis]) for axis in both)


def permuted(value: Value, order: Sequence[int], move: Mover) -> tuple[Part, ...]:
    """The parts after ``permute(order)``."""
    parts = no_places(value)
    return tuple(
        Part({order.index(a): r for a, r in p.region.items()}, move(p.views, value.shape), p.flow) for p in parts
    )


def indexed(value: Value, axis: int, sources: Sequence[int], move: Mover) -> tuple[Part, ...]:
    """The parts after each index ``i`` of an axis was taken from ``sources[i]``."""
    found: list[Part] = []
    for part in no_places(value):
        own = part.region.get(axis, range(value.shape[axis]))
        here = np.flatnonzero(np.isin(sources, own))
        for run in runs(here):
            region = {**part.region, axis: run}
            found.append(Part(region, move(part.views, _sizes(value.shape, part.region)), part.flow))
    return tuple(found) if len(found) <= _MOST_PARTS else ()


def repeated(value: Value, times: Sequence[int], move: Mover) -> tuple[Part, ...]:
    """The parts after each axis was repeated some times as a whole; new axes come first."""
    shift = len(times) - len(value.shape)
    found: list[Part] = []
    for part in no_places(value):
        views = move(part.views, _sizes(value.shape, part.region))
        touched = [a for a in part.region if value.shape[a] > 1]
        for at in product(*(range(times[a + shift]) for a in touched)):
            starts = [i * value.shape[a] for i, a in zip(at, touched, strict=True)]
            region = {a + shift: _later(part.region[a], start) for a, start in zip(touched, starts, strict=True)}
            found.append(Part(region, views, part.flow))
    return tuple(found) if len(found) <= _MOST_PARTS else ()


def _later(indices: range, by: int) -> range:
    return range(indices.start + by, indices.stop + by, indices.step)


def reshaped(value: Value, new: Shape, move: Callable[[Views, Shape, Shape], Views]) -> tuple[Part, ...]:
    """The parts after a reshape of contiguous elements; none where channels and places of a map become one axis."""
    found: list[Part] = []
    if joins_places(value, new):
        return ()
    for part in no_places(value):
        regions = _regions(value, part.region, new)
        if not regions:
            return ()
        for region in regions:
            views = move(part.views, _sizes(value.shape, part.region), _sizes(new, region))
            found.append(Part(region, views, part.flow))
    return tuple(found) if len(found) <= _MOST_PARTS else ()


def joins_places(value: Value, new: Shape) -> bool:
    """Whether a reshape puts channels that see different places and the places of a map on one axis."""
    parts = no_places(value)
    touched = {axis for p in parts for axis in p.region}
    spatial = {axis for p in parts for v in p.views if v is not None for axis in v.axes}
    return bool(parts) and any(touched & {*old} and spatial & {*old} for old, _ in _blocks(value.shape, new))


def _regions(value: Value, region: Region, new: Shape) -> list[Region]:
    """A region of a tensor as regions of its reshape; none if they are too many."""
    found: list[dict[int, range]] = [{}]
    for old_axes, new_axes in _blocks(value.shape, new):
        touched = [a for a in old_axes if a in region]
        if not touched:
            continue
        sizes = tuple(value.shape[a] for a in old_axes)
        flat = np.arange(np.prod(sizes)).reshape(sizes)
        places = flat[tuple(_slice(region[a]) if a in region else slice(None) for a in old_axes)].ravel()
        boxes = list(_boxes(places, tuple(new[a] for a in new_axes)))
        if len(found) * len(boxes) > _MOST_PARTS:
            return []
        found = [{**f, **{new_axes[i]: r for i, r in box.items()}} for f in found for box in boxes]
    return [*found]


def _boxes(places: Indices, sizes: Shape) -> Iterator[dict[int, range]]:
    """Flat places as boxes of ranges: axis -> indices, for each axis that a box does not fill."""
    if not sizes:
        yield {}
        return
    rest = int(np.prod(sizes[1:]))
    first, inner = np.divmod(np.sort(places), rest)
    by_inner: dict[bytes, tuple[list[int], Indices]] = {}
    for index in np.unique(first):
        row = inner[first == index]
        by_inner.setdefault(row.tobytes(), ([], row))[0].append(int(index))
    for indices, row in by_inner.values():
        for run in runs(np.array(indices)):
            for box in _boxes(row, sizes[1:]):
                deeper = {axis + 1: r for axis, r in box.items()}
                yield deeper if run == range(sizes[0]) else {0: run, **deeper}


def runs(indices: Indices) -> Iterator[range]:
    """Ascending indices as ranges."""
    at = 0
    while at < len(indices):
        step = int(indices[at + 1] - indices[at]) if at + 1 < len(indices) else 1
        end = at + 1
        while end < len(indices) and indices[end] - indices[end - 1] == step:
            end += 1
        yield range(int(indices[at]), int(indices[end - 1]) + 1, step)
        at = end


def _blocks(old: Shape, new: Shape) -> Iterator[tuple[list[int], list[int]]]:
    """Axes of a tensor and of its reshape that hold the same elements, in order."""
    i = j = 0
    while i < len(old) or j < len(new):
        olds, news = [i] if i < len(old) else [], [j] if j < len(new) else []
        held, holds = old[i] if olds else 1, new[j] if news else 1
        i, j = i + len(olds), j + len(news)
        while held != holds:
            if held < holds:
                held, i = held * old[i], i + 1
                olds.append(i - 1)
            else:
                holds, j = holds * new[j], j + 1
                news.append(j - 1)
        yield olds, news


def _slice(indices: range) -> slice:
    return slice(indices.start, indices.stop, indices.step)


def _sizes(shape: Shape, region: Region) -> Shape:
    return tuple(len(region.get(a, range(n))) for a, n in enumerate(shape))
