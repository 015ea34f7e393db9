"""The traced field of any network beside the one that gradients measure."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import nn

from constraints.gradient_probe import probe_axis
from constraints.tracer import trace

_LONG_STRIP = 128
_SMALL_MAP = 12
"""A map of fewer units may have none whose windows keep off its borders, which gradients cannot tell."""

_LARGE = 20_000_000
"""Elements of the largest map times units to measure, each of which takes a backward pass."""


class Outcome(NamedTuple):
    """What came of a comparison: "agree", "differ", or why there was nothing to compare."""

    kind: str
    text: str = ""
    sees_more: bool = False
    """Whether the trace sees more than the probe."""


def along(model: nn.Module, axis: int, size: tuple[int, ...], measured: nn.Module | None = None) -> Outcome:
    """Compare along one axis; a longer strip than ``size`` decides where that cannot.

    ``measured`` is what the probe measures in place of the model, where its operations would be hidden from it. A
    longer strip decides where no unit keeps off the borders, or where the trace knows a phase of which no unit does.
    """
    outcome = _on_strip(model, axis, size, measured or model)
    is_decided = outcome.kind in ("agree", "too large to measure") or (
        outcome.kind == "differ" and not outcome.sees_more
    )
    if is_decided or size[axis + 1] > _LONG_STRIP:
        return outcome
    return along(model, axis, tuple(4 * n if i == axis + 1 else n for i, n in enumerate(size)), measured)


def _on_strip(model: nn.Module, axis: int, size: tuple[int, ...], measured: nn.Module) -> Outcome:
    try:
        found = trace(model, size)
    except (RuntimeError, ValueError):
        return Outcome("too small for what was drawn")
    made = [layer.output for layer in found.layers if layer.kernel or layer.op == "interpolate"]
    last = found.output if len(found.output) == len(size) else trace(measured, size).output
    maps = [last, *(m for m in made if len(m) == len(size) and max(m[1:]) > 1)]  # gates aside
    if min(m[axis + 1] for m in maps) < _SMALL_MAP:
        return Outcome("too small for what was drawn")
    if max(math.prod(m) for m in maps) * last[axis + 1] > _LARGE:
        return Outcome("too large to measure")
    probed = probe_axis(measured, size, axis, tolerance=1e-13)
    if probed is None:
        return Outcome("without a unit inside the borders")
    field = found.metrics.receptive_field_hw
    if field is not None and field[axis] == probed:
        return Outcome("agree")
    text = f"axis {axis} of {size}: traced {field}, probed {probed}\n{model}"
    return Outcome("differ", text, field is not None and field[axis] > probed)
