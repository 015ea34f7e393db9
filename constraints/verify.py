"""Confirm a traced receptive field by gradients, on the user's own model and strips long enough for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from torch import nn

from constraints.gradient_probe import probe_axis
from constraints.metrics import Layer
from constraints.report import Report
from constraints.rules import Verdict

_LONGEST = 16_384
_MOST_UNITS = 64
_NAME, _EXPR = "verified", "receptive_field_hw == gradients"


@dataclass(frozen=True, kw_only=True)
class _Measured:
    field: int | None
    strip: tuple[int, ...]


def verify(model: nn.Module, report: Report) -> Report:
    """The report with what the probe says added: a verdict that fails when it contradicts the trace.

    For each axis the input is a strip that the probe's units fit into: at least twice the traced field along
    the axis, as large as the report's input across. A model that cannot run at another input size (a linear
    layer behind a flattened map, say), or whose field is unknown, gets a warning in place of the verdict.
    """
    traced = report.metrics["receptive_field_hw"]
    if not traced:
        return _unverified(report, "the traced receptive field is unknown")
    try:
        measured = [_measured(model, report, axis, field) for axis, field in enumerate(traced)]
    except Exception as error:  # the user's model at a size that it was not written for
        return _unverified(report, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}")
    fields = [m.field for m in measured if m.field is not None]
    if len(fields) < len(traced):
        return _unverified(report, f"no unit's field fits into {_LONGEST} pixels")
    agrees = fields == list(traced)
    strips = " and ".join("x".join(map(str, m.strip)) for m in measured)
    text = f"gradients measure {_sides(fields)} on inputs of {strips}, the trace says {_sides(traced)}"
    verdict = Verdict(name=_NAME, expr=_EXPR, value=agrees, ok=agrees, why=text)
    inputs = [list(m.strip) for m in measured]
    found = {"input": inputs, "receptive_field_hw": fields, "agrees": agrees, "text": text}
    return replace(report.with_verdicts(verdict), verified=found)


def _measured(model: nn.Module, report: Report, axis: int, field: int) -> _Measured:
    strip = list(report.input)
    while strip[axis + 1] < 2 * field:
        strip[axis + 1] *= 2
    found = None
    while found is None and strip[axis + 1] <= _LONGEST:
        found = probe_axis(model, strip, axis, units=_phases(report.layers, axis))
        if found is None:
            strip[axis + 1] *= 2
    return _Measured(field=found, strip=tuple(strip))


def _phases(layers: tuple[Layer, ...], axis: int) -> int:
    """How many neighbouring units may see differently: as many as upsampling has made of one."""
    jumps = [layer.jump[axis] for layer in layers if layer.jump and len(layer.jump) > axis]
    if all(a <= b for a, b in pairwise(jumps)):
        return 1
    return min(_MOST_UNITS, math.ceil(max(jumps) / min(jumps)))


def _unverified(report: Report, reason: str) -> Report:
    return replace(report, warnings=(*report.warnings, f"the receptive field could not be verified: {reason}"))


def _sides(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))
