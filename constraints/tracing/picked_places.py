"""Sums of places of a map that were selected or sliced, until they are a sum of all its places; no torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import product

from constraints.tracing.axes import Cut, Shape
from constraints.tracing.linear_forms import Coefficient
from constraints.tracing.values import Part, Picked, Value

_EXACT = 1e-5
_MOST_PLACES = 1 << 18
"""Most places whose weights are kept, which takes some 50 MB: all of a map of 512 x 512."""


def started(data: Value, cut: Cut) -> Picked | None:
    """The places that a selection or a slice takes of a map, or of places that were picked before; else None."""
    picked, axis = data.flow.picked, cut.axis
    if picked is None or data.shape != _shape(picked):
        picked, at = Picked(data, (), {(): 1.0}), axis
    else:
        at = _axes_left(picked)[axis]
    if not _is_spatial(picked.whole, at):
        return None
    indices = picked.left.get(at, range(picked.whole.shape[at]))
    taken = indices[cut.start : cut.start + cut.size * cut.step : cut.step]
    if cut.is_select:
        return _gone(picked, {at: {taken[0]: 1.0}})
    return picked._replace(left={**picked.left, at: taken})


def summed(data: Value, axes: Collection[int], *, is_mean: bool) -> Picked | None:
    """The places that a sum or a mean over axes adds, of places that were picked before; else None."""
    picked = data.flow.picked
    if picked is None or data.shape != _shape(picked):
        return None
    left = _axes_left(picked)
    return _summed(picked, [left[a] for a in axes], is_mean=is_mean)


def _summed(picked: Picked, axes: Collection[int], *, is_mean: bool) -> Picked | None:
    """The places after a sum over axes of the map."""
    gone: dict[int, Mapping[int, float]] = {}
    for at in axes:
        if not _is_spatial(picked.whole, at):
            return None
        indices = picked.left.get(at, range(picked.whole.shape[at]))
        gone[at] = dict.fromkeys(indices, 1 / len(indices) if is_mean else 1.0)
    return _gone(picked, gone)


def summed_parts(data: Value, axes: Collection[int], *, is_mean: bool) -> Picked | None:
    """The places that a sum or a mean adds over an axis along which sums of places were put side by side; else None.

    An example: the means of a map's rows, stacked and averaged.
    """
    along = {axis for part in data.parts for axis in part.region}
    if len(along) != 1 or not along <= set(axes) or data.made_by is None or data.made_by.op not in ("cat", "stack"):
        return None
    (axis,) = along
    laid = [part.region[axis] for part in data.parts]
    if sorted(i for indices in laid for i in indices) != list(range(data.shape[axis])):
        return None
    sums = [_summed_part(data.shape, axis, part, axes, is_mean=is_mean) for part in data.parts]
    shares = [len(indices) / data.shape[axis] if is_mean else 1.0 for indices in laid]
    if not any(s is not None and len(s.weights) > 1 for s in sums):
        return None
    return _added(sums, shares)


def _summed_part(shape: Shape, axis: int, part: Part, axes: Collection[int], *, is_mean: bool) -> Picked | None:
    """The sum of one part, which may lack the axis along which it was stacked."""
    picked = part.flow.picked
    if picked is None:
        return None
    for size, shift in ((), 1), ((len(part.region[axis]),), 0):
        left = _axes_of(picked, (*shape[:axis], *size, *shape[axis + 1 :]))
        if left is not None:
            summed = [left[a - shift * (a > axis)] for a in axes if size or a != axis]
            return _summed(picked, [at for at in summed if at is not None], is_mean=is_mean)
    return None


def added(data: Sequence[Value], factors: Sequence[Coefficient]) -> Picked | None:
    """The places that a linear combination of tensors adds; None unless all are places of one map."""
    return _added([v.flow.picked for v in data], factors)


def _added(several: Sequence[Picked | None], factors: Sequence[Coefficient]) -> Picked | None:
    first = several[0]
    if first is None or not first.gone or not all(factors):
        return None
    weights = dict.fromkeys(first.weights, 0.0)
    is_bent = is_too_large = False
    for picked, factor in zip(several, factors, strict=True):
        if picked is None or factor is None or not _are_alike(first, picked):
            return None
        is_bent, is_too_large = is_bent or picked.is_bent, is_too_large or picked.is_too_large
        for place, weight in picked.weights.items():
            weights[place] = weights.get(place, 0.0) + factor * weight
    return first._replace(weights=weights, is_bent=is_bent, is_too_large=is_too_large)


def weighed(picked: Picked | None, factor: float) -> Picked | None:
    """The same places times a constant."""
    return picked and picked._replace(weights={place: factor * w for place, w in picked.weights.items()})


def bent(picked: Picked | None) -> Picked | None:
    """The places after a nonlinear function of each; None where they were summed before."""
    is_followed = picked is not None and (picked.is_too_large or len(picked.weights) == 1)
    return picked._replace(is_bent=True) if picked is not None and is_followed else None


def common_weight(picked: Picked) -> float:
    """The weight that all places of the map along its axes have in the sum; 0 where they do not have one.

    It is NaN where it is not known whether they have: a weight is not, a function was applied to the places before, or
    there are too many of them.
    """
    if picked.is_too_large:
        return math.nan
    weights = list(picked.weights.values())
    if len(weights) == 1 or len(weights) < math.prod(picked.whole.shape[a] for a in picked.gone) or not all(weights):
        return 0.0
    if picked.is_bent or any(math.isnan(w) for w in weights):
        return math.nan
    return weights[0] if max(weights) - min(weights) <= _EXACT * abs(weights[0]) else 0.0


def are_of_all_axes(picked: Picked) -> bool:
    """Whether no spatial axis of the map is left."""
    return not any(_is_spatial(picked.whole, a) for a in _axes_left(picked))


def _gone(picked: Picked, new: Mapping[int, Mapping[int, float]]) -> Picked:
    """The places after axes are gone: the new axes, each with the weights of its indices."""
    gone = sorted({*picked.gone, *new})
    left = {a: r for a, r in picked.left.items() if a not in new}
    if picked.is_too_large or len(picked.weights) * math.prod(map(len, new.values())) > _MOST_PLACES:
        return picked._replace(gone=tuple(gone), weights={}, left=left, is_too_large=True)
    weights = {}
    for place, weight in picked.weights.items():
        at = dict(zip(picked.gone, place, strict=True))
        for indices in product(*(new[a] for a in new)):
            here = {**at, **dict(zip(new, indices, strict=True))}
            weights[tuple(here[a] for a in gone)] = weight * math.prod(
                new[a][i] for a, i in zip(new, indices, strict=True)
            )
    return picked._replace(gone=tuple(gone), weights=weights, left=left)


def _axes_left(picked: Picked) -> list[int]:
    return [a for a in range(len(picked.whole.shape)) if a not in picked.gone]


def _shape(picked: Picked) -> Shape:
    """The shape of a tensor of these places."""
    return tuple(len(picked.left.get(a, range(picked.whole.shape[a]))) for a in _axes_left(picked))


def _axes_of(picked: Picked, shape: Shape) -> Sequence[int | None] | None:
    """The map's axis for each axis of a tensor of these places; None for one of size 1 that was kept after a sum.

    None in all if the tensor has another shape.
    """
    if shape == _shape(picked):
        return _axes_left(picked)
    sizes = enumerate(picked.whole.shape)
    kept = tuple(1 if a in picked.gone else len(picked.left.get(a, range(n))) for a, n in sizes)
    return [None if a in picked.gone else a for a in range(len(kept))] if shape == kept else None


def _is_spatial(whole: Value, axis: int) -> bool:
    return any(v is not None and any(d.axis == axis for d in v.digits) for v in whole.views)


def _are_alike(a: Picked, b: Picked) -> bool:
    return a.whole is b.whole and a.gone == b.gone and a.left == b.left
