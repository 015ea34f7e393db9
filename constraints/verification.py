"""Verify a traced receptive field by gradients, on the user's own model with inputs (strips) that are long enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from torch import nn

from constraints.errors import UnusableInputError, first_line, with_type
from constraints.gradient_probe import Probed, on_strip, probe_call
from constraints.inputs import Sizes
from constraints.judged_call import JudgedCall, judged_call
from constraints.linear_copy import positive
from constraints.metrics import Layer
from constraints.process_state import process_kept
from constraints.report import Report
from constraints.tracer import trace
from constraints.verdicts import Verdict

_LONGEST = 16_384
_LONGEST_REASON = 200
_MOST_UNITS, _MORE_UNITS = 64, 8
_GOLDEN = (math.sqrt(5) - 1) / 2
_MANY_MACS = 2_000_000_000
_NAME, _EXPR = "verified", "receptive_field_hw == gradients"


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """The measurement of one axis: the field by gradients, and the strip."""

    field: int | None
    """None if every unit sees an end of the strip."""
    strip: tuple[int, ...]
    is_longest: bool
    """Whether the strip is the input itself, since the model does not accept a longer one."""
    why: str = ""
    """Why a longer one is not possible."""
    is_seen: bool = True
    """Whether a gradient reaches the input at all."""


def verify(model: nn.Module, report: Report, input_size: Sizes, input_data: Any = None) -> Report:
    """The report with the result of the probe: a verdict that fails if the probe contradicts the trace.

    The measured map is the judged one: the forward pass ends when it is complete, so that pools and linear layers with
    a fixed input size after it do not matter. For each axis the input is a strip at least twice as long as the traced
    field; if the model does not accept one, it is the input itself, where a unit that sees neither border can still
    confirm the field. A field that cannot be confirmed gets a warning and no verdict.
    """
    traced = report.metrics["receptive_field_hw"]
    if not traced:
        return _unverified(report, "the traced receptive field is unknown")
    try:
        with process_kept():
            call = judged_call(model, input_size, input_data)
            linear = positive(call.model)
            measured = [_measured(linear, call, report, axis, field) for axis, field in enumerate(traced)]
            reasons = [
                _undecided(m, field, report) or _of_this_size(m, call, axis, field)
                for axis, (m, field) in enumerate(zip(measured, traced, strict=True))
            ]
    except Exception as error:  # raised by the user's model for a size or precision that it was not written for
        return _unverified(report, _reason(error))
    if any(reasons):
        return _unverified(report, next(filter(None, reasons)))
    return _with_verdict(report, measured, traced)


def _undecided(found: _Measured, field: int, report: Report) -> str:
    """Why the measurement neither confirms nor contradicts the traced field; empty if it does one of them."""
    strip = _sides(found.strip)
    if not found.is_seen:
        return "no gradient reaches the input: the map may be computed from rounded numbers, comparisons or indices"
    if found.field is not None and found.field > field:
        through = f"it sees {found.field} pixels on the strip of {strip}, maybe through attention or a gate"
        return through if report.metrics["global_context"] else ""
    if found.is_longest and found.field != field:
        return f"every unit that might see {field} pixels sees a border of the input of {strip}, and {found.why}"
    if found.field is None and report.metrics["global_context"]:
        return f"every unit sees an end of the strip of {strip}, through attention or a gate over the whole map"
    return ""


def _of_this_size(found: _Measured, call: JudgedCall, axis: int, field: int) -> str:
    """Why a field other than the traced one is no contradiction: it depends on the input's size, as after a pool that
    divides every map into two. Empty if it does not, or if the model as a whole cannot run on the strip.
    """
    if found.field == field or found.is_longest:
        return ""
    try:
        own, there = (
            trace(call.model, input_data=on_strip(call, axis, length)).metrics.receptive_field_hw
            for length in (call.sample.tensors[call.input].shape[call.first + axis], found.strip[call.first + axis - 1])
        )
    except Exception:  # raised for a size that the model was not written for
        return ""
    if not own or not there or len(own) != len(there) or own[axis] == there[axis]:
        return ""
    return f"the field depends on the input's size: it is {_sides(there)} on the strip of {_sides(found.strip)}"


def _with_verdict(report: Report, measured: Sequence[_Measured], traced: Sequence[int]) -> Report:
    fields = [max(m.strip[1:], default=0) if m.field is None else m.field for m in measured]
    agrees = all(m.field == field for m, field in zip(measured, traced, strict=True))
    least = " or more" if any(m.field is None for m in measured) else ""
    strips = " and ".join(_sides(m.strip) for m in measured)
    text = f"gradients measure {_sides(fields)}{least} on inputs of {strips}, the trace says {_sides(traced)}"
    verdict = Verdict(name=_NAME, expr=_EXPR, value=agrees, ok=agrees, why=text)
    inputs = [list(m.strip) for m in measured]
    found = {"input": inputs, "receptive_field_hw": fields, "agrees": agrees, "text": text}
    return replace(report.with_verdicts(verdict), verified=found)


def _measured(linear: nn.Module, call: JudgedCall, report: Report, axis: int, field: int) -> _Measured:
    shape, at = tuple(call.sample.tensors[call.input].shape[1:]), call.first + axis - 1
    own = length = shape[at]
    while length < 2 * field:
        length *= 2
    why = f"the strip would be longer than {_LONGEST} pixels"
    while length <= _LONGEST:
        try:
            found = _probed(linear, call, report, axis, length)
        except Exception as error:  # raised for a size that the model was not written for
            why = f"the model does not take a longer one: {_reason(error)}"
            break
        if length > own and not _grows(call, axis, own, length, found.units):
            why = f"its map of {found.units} units does not grow with the input"
            break
        if found.field is not None or length >= 4 * field + own:
            strip = _long(shape, at, length)
            return _Measured(field=found.field, strip=strip, is_longest=False, is_seen=found.is_seen)
        length *= 2
    found = _probed(linear, call, report, axis, own)
    return _Measured(field=found.field, strip=shape, is_longest=True, why=why, is_seen=found.is_seen)


def _grows(call: JudgedCall, axis: int, own: int, length: int, units: int) -> bool:
    """Whether the map grows with the strip, by at least half of the proportional amount."""
    before = call.shape[call.axes[axis]]
    return 2 * own * (units - before) >= before * (length - own)


def _long(shape: tuple[int, ...], at: int, length: int) -> tuple[int, ...]:
    return (*shape[:at], length, *shape[at + 1 :])


def _probed(linear: nn.Module, call: JudgedCall, report: Report, axis: int, length: int) -> Probed:
    """Measure every unit of a small map or input; the units in the middle, and some more, of a large one."""
    own = call.sample.tensors[call.input].shape[call.first + axis]
    macs = (report.metrics["macs"] or 0) * length // own
    count = call.shape[call.axes[axis]] * length // own
    if count <= _MOST_UNITS and macs * count < _MANY_MACS:
        return probe_call(linear, call, axis, length, units=None, draws=3)
    chosen = _chosen(call, count, _phases(report.layers, axis), is_cheap=macs < _MANY_MACS)
    return probe_call(linear, call, axis, length, units=chosen, draws=3 if macs < _MANY_MACS else 2)


def _chosen(call: JudgedCall, count: int, phases: int, *, is_cheap: bool) -> list[int]:
    """Units in the middle of a map, one of each phase, and some more if they cost little.

    Where rows follow each other on one tensor axis, the middle one may be at the end of a row: then all are spread.
    """
    is_flat = len(set(call.axes)) < len(call.axes)
    spread = [int(count * (i * _GOLDEN % 1)) for i in range(1, _MORE_UNITS + 1)] if is_cheap or is_flat else []
    starts, more = (spread, []) if is_flat else ([max((count - phases) // 2, 0)], [0, *spread])
    return sorted({*more, *(min(start + i, count - 1) for start in starts for i in range(phases))})


def _phases(layers: tuple[Layer, ...], axis: int) -> int:
    """The number of neighbouring units whose fields may differ: the units that upsampling made from one."""
    jumps = [layer.jump[axis] for layer in layers if layer.jump and len(layer.jump) > axis and layer.jump[axis]]
    if all(a <= b for a, b in pairwise(jumps)):
        return 1
    return min(_MOST_UNITS, math.ceil(max(jumps) / min(jumps)))


def _unverified(report: Report, reason: str) -> Report:
    return replace(report, warnings=(*report.warnings, f"the receptive field is not verified, because {reason}"))


def _reason(error: Exception) -> str:
    is_ours = isinstance(error, UnusableInputError)
    return first_line(error, _LONGEST_REASON) if is_ours else f"the probe met {with_type(error, _LONGEST_REASON)}"


def _sides(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))
