"""Measure a receptive field by gradients, independently of the trace (except for the choice of the map)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from constraints.errors import UnusableInputError
from constraints.judged_call import JudgedCall
from constraints.linear_copy import positive, positive_like
from constraints.linearised import Linearised, ReachedError
from constraints.model_state import eager
from constraints.samples import Sample
from constraints.tracing.modes import modes_kept


@dataclass(frozen=True, kw_only=True)
class Probed:
    """The result of gradients for one map along one axis."""

    field: int | None
    """The largest field of a unit that touches neither end of what the whole map sees; None where every unit does."""
    units: int
    """The number of units of the map along the axis."""
    is_seen: bool = True
    """Whether any gradient reaches the input."""


def probe(
    model: nn.Module,
    input_size: Sequence[int] = (3, 64, 64),
    *,
    shortest: int = 0,
    longest: int = 8192,
    units: int = 1,
) -> tuple[int, ...]:
    """Measure the receptive field of the last map before global pooling, per axis, in input pixels.

    For each axis the input is a strip: long enough that no measured field touches its ends (doubled
    from ``input_size``, or ``shortest`` where that is longer, up to ``longest``), and ``input_size`` wide. ``units``
    neighbouring units in the middle are measured and the largest field counts, since units may differ by phase.
    Gates are ignored.

    The copy that is measured is linear and positive, so that no gradient cancels or vanishes: float64, random weights
    of one sign that average, activations and normalisations replaced by the identity, maxima by averages; buffers
    (a kernel's mask, for example) are kept. Raises UnusableInputError where ``longest`` is too short.
    """
    linear = positive(model)
    strips = []
    for axis in range(len(input_size) - 1):
        strip = list(input_size)
        strip[axis + 1] = max(strip[axis + 1], shortest)
        strips.append(strip)
    return tuple(_grown(linear, strip, axis, longest, units) for axis, strip in enumerate(strips))


def probe_axis(
    model: nn.Module, input_size: Sequence[int], axis: int, units: int | None = None, tolerance: float = 0.0
) -> int | None:
    """The largest field along one axis of those units whose field touches no border; None where all touch it.

    ``units`` limits the measurement to that many in the middle; gradients up to ``tolerance`` times the largest
    count as zero.
    """
    return _of_last_map(positive(model), input_size, axis, units, tolerance)


def _grown(model: nn.Module, input_size: Sequence[int], axis: int, longest: int, units: int) -> int:
    size = list(input_size)
    while size[axis + 1] <= longest:
        field = _of_last_map(model, size, axis, units, 0.0)
        if field is not None:
            return field
        size[axis + 1] *= 2
    raise UnusableInputError(
        f"no unit's field fits into a strip of {longest} pixels: give the probe a longer one (longest=...)"
    )


def _of_last_map(
    model: nn.Module, input_size: Sequence[int], axis: int, units: int | None, tolerance: float
) -> int | None:
    drawn = positive_like(torch.Size([1, *input_size]), 0).requires_grad_()
    with modes_kept(), Linearised(drawn.dim(), axis + 2) as mode:
        model(drawn)
    if mode.map is None and mode.is_spatial:
        return None  # the strip is too short for more than one unit
    if mode.map is None:
        raise UnusableInputError(
            f"no map to probe: {type(model).__name__} makes no tensor of {drawn.dim()} axes: probe one that does"
        )
    count = mode.map.shape[axis + 2]
    first = 0 if units is None else max((count - units) // 2, 0)
    chosen = range(first, count if units is None else min(first + units, count))
    return _largest(_spans((mode.map, axis + 2), (drawn, axis + 2), chosen, tolerance))


def probe_call(
    model: nn.Module, call: JudgedCall, axis: int, length: int, *, units: Sequence[int] | None, draws: int
) -> Probed:
    """Measure the map that ``call`` gives along one of its axes, on ``draws`` random inputs ``length`` pixels long.

    ``model`` is a positive copy. The forward pass ends at the map, so a head with a fixed input size does not matter.
    ``units`` are the indices of the measured units; None measures all. Raises UnusableInputError where the model
    calls other functions on an input of this length.
    """
    seen: list[tuple[int, int] | None] = []
    for draw in range(draws):
        sample, pixels = _strip(call, axis, length, draw)
        found = _map_of(model, call, sample, axis)
        count = found.shape[call.axes[axis]]
        chosen = range(count) if units is None else [u for u in units if u < count]
        has_rows = found.dim() == len(call.axes) + 2 and 0 not in call.axes
        spans = _spans((found, call.axes[axis]), (pixels, call.first + axis), chosen, 0.0, has_rows=has_rows)
        seen = [_hull(a, b) for a, b in zip(seen or spans, spans, strict=True)]
    return Probed(field=_largest(seen), units=count, is_seen=seen[0] is not None)


def on_strip(call: JudgedCall, axis: int, length: int) -> tuple[Any, ...]:
    """The arguments of ``call`` with another length along the axis, in the default precision, as ``input_data``."""
    sample, _ = _strip(call, axis, length, 0)

    def plain(leaf: Any) -> Any:
        is_real = isinstance(leaf, torch.Tensor) and leaf.is_floating_point()
        return leaf.detach().to(torch.get_default_dtype()) if is_real else leaf

    args, kwargs = tree_map(plain, (sample.args, dict(sample.kwargs)))
    return (*args, kwargs) if kwargs else tuple(args)


def _strip(call: JudgedCall, axis: int, length: int, draw: int) -> tuple[Sample, torch.Tensor]:
    """The sample with another length along the axis, in all tensors that are as long there as the measured input."""
    measured = call.sample.tensors[call.input]
    pixels: list[torch.Tensor] = []

    def longer(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        shape = list(leaf.shape)
        at = call.first + axis
        if leaf.dim() == measured.dim() and shape[at] == measured.shape[at]:
            shape[at] = length
        if leaf.is_floating_point() and (leaf is measured or shape != list(leaf.shape)):
            drawn = positive_like(torch.Size(shape), draw)
            pixels[:0] = [drawn.requires_grad_()] if leaf is measured else []
            return drawn
        if shape != list(leaf.shape):
            return torch.ones(shape, dtype=leaf.dtype)
        return leaf.double() if leaf.is_floating_point() else leaf

    args, kwargs = tree_map(longer, (call.sample.args, dict(call.sample.kwargs)))
    return Sample(args=args, kwargs=kwargs), pixels[0]


def _map_of(model: nn.Module, call: JudgedCall, sample: Sample, axis: int) -> torch.Tensor:
    mode = Linearised(len(call.shape), call.axes[axis], call)
    try:
        with modes_kept(), eager(), mode:
            model(*sample.args, **sample.kwargs)
    except ReachedError:
        pass
    if mode.reached is None:
        raise UnusableInputError("the model calls other functions on an input of this length")
    return mode.reached


Along = tuple[torch.Tensor, int]
"""A tensor and one of its axes."""


def _spans(
    found: Along, pixels: Along, units: Iterable[int], tolerance: float, has_rows: bool = False
) -> list[tuple[int, int] | None]:
    """What the whole map sees of the input, then what each unit sees, separately for each row of the batch."""
    whole, axis = found
    rows = [whole[i : i + 1] for i in range(len(whole))] if has_rows else [whole]
    several = [whole, *(row.select(axis, unit) for unit in units for row in rows)]
    return [_span(part, *pixels, tolerance) for part in several]


def _largest(spans: Sequence[tuple[int, int] | None]) -> int | None:
    """The largest span of a unit that touches neither end of what the whole map sees."""
    ends, *units = spans
    if ends is None:
        return None
    inside = [b - a + 1 for a, b in filter(None, units) if a > ends[0] and b < ends[1]]
    return max(inside, default=None)


def _hull(a: tuple[int, int] | None, b: tuple[int, int] | None) -> tuple[int, int] | None:
    return (min(a[0], b[0]), max(a[1], b[1])) if a and b else a or b


def _span(output: torch.Tensor, sample: torch.Tensor, axis: int, tolerance: float) -> tuple[int, int] | None:
    """The first and the last input position along ``axis`` that the output depends on."""
    if output.is_complex():
        output = torch.view_as_real(output)
    total = (output * positive_like(output.shape, 1)).sum()
    (gradient,) = torch.autograd.grad(total, sample, retain_graph=True, allow_unused=True)
    if gradient is None:
        return None
    others = [d for d in range(gradient.dim()) if d != axis]
    profile = gradient.abs().sum(others)
    seen = torch.nonzero(profile > tolerance * profile.max()).flatten()
    return (int(seen[0]), int(seen[-1])) if len(seen) else None
